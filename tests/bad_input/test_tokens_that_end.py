"""Tokens whose key ends soon: told, exchanged anonymously, named when they have expired."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.buyers import Killed, buy, buyer, finish
from tests.support.roles import CREDIT, PRICE, Roles
from veilmart.customer.connection.shopper import connect
from veilmart.customer.events import Observer, ignore
from veilmart.customer.library.errands import Errand, all_errands
from veilmart.customer.library.exchange_rules import exchange
from veilmart.customer.library.holdings import ending_notes, expired_lately, holdings
from veilmart.customer.wallet.orders import orders_in
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import TokenEndsEarly, TokenKeyEnded
from veilmart.limits import EXCHANGE_SPREAD_SECONDS, TOKEN_ENDING_SECONDS
from veilmart.protocol.token_messages import Spend
from veilmart.protocol.wallet_states import WalletState

DAY = 24 * 3600


def held(roles: Roles, wallet: Wallet) -> list[Any]:
    return wallet.database.run_now(holdings, roles.opened.fingerprint, wallet.clock())


async def to_the_last_days(roles: Roles, wallet: Wallet) -> None:
    """The clock at 30 days before the wallet's tokens end, and a broker that lives then."""
    (before,) = held(roles, wallet)
    roles.clock.ahead += before.until - TOKEN_ENDING_SECONDS - wallet.clock()
    roles.opened_descriptor()  # the broker has made its new keys meanwhile
    await roles.broker.stop()
    await roles.broker.start()
    roles.outside.target = roles.broker.address


async def exchange_one(
    roles: Roles, wallet: Wallet, errand: Any, observe: Observer = ignore
) -> int:
    shopper = await connect(wallet, anonymous=True, observe=observe)
    async with shopper:
        return await shopper.perform(exchange(errand.token, wallet.clock, wallet.random))


async def one_to_exchange(roles: Roles) -> tuple[Wallet, Errand]:
    """A wallet with one token in its last days, and its exchange."""
    shopper, wallet = await buyer(roles, "mia", tokens=1)
    await shopper.aclose()
    await to_the_last_days(roles, wallet)
    (errand,) = all_errands(wallet)
    return wallet, errand


async def test_tokens_are_told_and_exchanged_each_at_its_own_time(roles: Roles) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=3)
    await shopper.aclose()
    assert wallet.database.run_now(ending_notes, wallet.clock()) == []
    assert all_errands(wallet) == []
    await to_the_last_days(roles, wallet)
    (note,) = wallet.database.run_now(ending_notes, wallet.clock())
    assert note.startswith("Ends soon: 3 tokens of 5.00 (until ")
    errands = all_errands(wallet)
    assert [errand.kind for errand in errands] == ["exchange"] * 3
    waits = [errand.due_at - wallet.clock() for errand in errands]
    assert len(set(waits)) == 3 and 0 <= min(waits) <= max(waits) < EXCHANGE_SPREAD_SECONDS
    assert all_errands(wallet) == errands, "kept in the wallet"
    for errand in errands:
        assert await exchange_one(roles, wallet, errand) > wallet.clock() + 2 * 30 * DAY
    (fresh,) = held(roles, wallet)
    assert (fresh.count, fresh.ends_soon) == (3, False)
    assert all_errands(wallet) == []
    await roles.check_books()
    shopper = await roles.connect("mia")
    assert (await shopper.account.read()).balance == CREDIT - 3 * PRICE
    await shopper.aclose()


async def test_an_exchange_that_was_cut_off_sends_the_same_again(
    roles: Roles, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet, errand = await one_to_exchange(roles)
    sent: list[Any] = []
    shopper = await connect(wallet, anonymous=True)
    honest = shopper.session.ask

    async def answer_lost(request: Any, *rest: Any, **more: Any) -> Any:
        answer = await honest(request, *rest, **more)
        if isinstance(request, Spend):
            sent.append(request)
            raise Killed
        return answer

    monkeypatch.setattr(shopper.session, "ask", answer_lost)
    assert errand.token is not None
    async with shopper:
        with pytest.raises(Killed):
            await shopper.perform(exchange(errand.token, wallet.clock, wallet.random))
    assert len(sent) == 1 and held(roles, wallet) == []
    (again,) = all_errands(wallet)
    await exchange_one(roles, wallet, again)
    (fresh,) = held(roles, wallet)
    assert fresh.count == 1
    assert all_errands(wallet) == []
    await roles.check_books()


async def test_expired_tokens_are_named_with_their_amount(roles: Roles, tmp_path: Path) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=2)
    await shopper.aclose()
    (before,) = held(roles, wallet)
    roles.clock.ahead += before.until - wallet.clock()
    said = wallet.database.run_now(expired_lately, wallet.clock())
    assert said.startswith("2 tokens of 5.00 (on ") and said.endswith("10.00 EUR in all")
    assert all_errands(wallet) == []
    (gone,) = held(roles, wallet)
    assert gone.expired and not gone.ends_soon


SPENDABLE = "veilmart.broker.keys.token_keys.spendable"


def ended(_connection: Any, _key: bytes, _now: int) -> Any:
    """What a broker finds whose clock is ahead."""
    raise TokenKeyEnded


async def test_a_broker_whose_clock_is_ahead_costs_no_token(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=1)
    await shopper.aclose()
    with monkeypatch.context() as ahead:
        ahead.setattr(SPENDABLE, ended)
        with pytest.raises(TokenEndsEarly) as caught:
            await buy(roles, wallet, tmp_path / "out")
        assert "token stays with its order" in caught.value.explain()
        (order,) = wallet.database.run_now(orders_in, (WalletState.CONFIRMING,))
        with pytest.raises(TokenEndsEarly):
            await finish(roles, wallet, order)
    assert (await finish(roles, wallet, order)).outcome == "done"
    assert held(roles, wallet) == []
    await roles.check_books()


async def test_a_retired_key_is_not_asked_about_for_ever(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=1)
    await shopper.aclose()
    monkeypatch.setattr(SPENDABLE, ended)
    with pytest.raises(TokenEndsEarly):
        await buy(roles, wallet, tmp_path / "out")
    (order,) = wallet.database.run_now(orders_in, (WalletState.CONFIRMING,))
    monkeypatch.setattr("veilmart.customer.purchase.payment_rules.TOKEN_ASK_AGAIN_SECONDS", 0)
    assert (await finish(roles, wallet, order)).outcome == "abandoned"


async def test_an_exchange_waits_for_a_broker_whose_clock_is_ahead(
    roles: Roles, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet, errand = await one_to_exchange(roles)
    with monkeypatch.context() as ahead:
        ahead.setattr(SPENDABLE, ended)
        with pytest.raises(TokenEndsEarly):
            await exchange_one(roles, wallet, errand)
    (again,) = all_errands(wallet)
    await exchange_one(roles, wallet, again)
    (fresh,) = held(roles, wallet)
    assert (fresh.count, fresh.ends_soon) == (1, False)
