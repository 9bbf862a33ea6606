"""Withdrawing, buying without an account, refunds: what goes wrong, and that nothing is lost."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.buyers import Killed, buy, buyer, finish, killed_at, unspent
from tests.support.roles import CREDIT, GOODS, PRICE, Roles, product_of
from tests.support.socks_server import socks_server
from veilmart.customer.connection.shopper import connect
from veilmart.customer.purchase.payment_rules import TokenPayment
from veilmart.customer.purchase.receipts import export_receipt, verify_receipt
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.tokens.stock import ask_for_lost, deposit_tokens, refill, withdraw_tokens
from veilmart.customer.tokens.stocks import due_stocks, keep_stock
from veilmart.customer.tokens.withdrawal_rules import plan, secrets_from
from veilmart.customer.trust.proofs import all_proofs, verify_proof
from veilmart.customer.trust.seen_descriptors import keep_seen
from veilmart.customer.wallet.orders import Order, all_orders
from veilmart.customer.wallet.tokens import (
    INVALID,
    SHOWN,
    UNSPENT,
    begin_withdrawal,
    known_keys,
    show_token,
    tokens_of,
)
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    DescriptorExpired,
    DescriptorForked,
    NotAPricePoint,
    NoTokens,
    ProxyFailed,
    SpendingTooSoon,
    TokenInvalid,
    ViewsForked,
    WalletLocked,
    WrongOrderState,
)
from veilmart.protocol.descriptor import read_descriptor, sign_descriptor
from veilmart.protocol.token_messages import Issue, Issued
from veilmart.transport.socks import SocksProxy

DAY = 24 * 3600


def only_order(wallet: Wallet) -> Order:
    (order,) = wallet.database.run_now(all_orders)
    return order


async def test_anonymous_purchase(roles: Roles, tmp_path: Path) -> None:
    _, wallet = await buyer(roles, "mia", tokens=3)
    bought = await buy(roles, wallet, tmp_path / "out")
    assert bought.path.read_bytes() == GOODS["june.txt"]
    assert bought.balance is None
    assert await roles.balance("mia") == CREDIT - 3 * PRICE
    assert unspent(roles, wallet) == 2
    assert verify_receipt(export_receipt(bought.order)).order == bought.order.order.hex()
    await roles.check_books()


async def test_fresh_tokens_rest_for_a_day(roles: Roles, tmp_path: Path) -> None:
    _, wallet = await buyer(roles, "mia")
    with pytest.raises(SpendingTooSoon):
        await buy(roles, wallet, tmp_path / "out", now=False)
    assert unspent(roles, wallet) == 2
    assert wallet.database.run_now(all_orders) == []
    roles.clock.ahead += DAY
    await buy(roles, wallet, tmp_path / "out", now=False)


@pytest.mark.parametrize("held", [1, 2])
async def test_a_token_that_another_program_takes_while_the_person_is_asked(
    roles: Roles, tmp_path: Path, held: int
) -> None:
    _, wallet = await buyer(roles, "mia", tokens=held)
    broker = roles.opened.fingerprint
    first, *others = wallet.database.run_now(tokens_of, broker, UNSPENT)

    def confirm(_quote: Any) -> bool:
        wallet.database.run_now(show_token, first.id, b"o" * 32)
        return True

    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        menu = await shopper.browse(roles.merchant_print)
        june = product_of(menu, "june.txt")
        payment = TokenPayment(wallet.seed or b"", wallet.clock, now=True)
        if not others:
            with pytest.raises(NoTokens):
                await shopper.buy(menu, june, tmp_path, confirm, payment)
            assert wallet.database.run_now(all_orders) == []
            return
        await shopper.buy(menu, june, tmp_path, confirm, payment)
    shown = wallet.database.run_now(tokens_of, broker, SHOWN)
    orders = {token.id: token.order for token in shown}
    assert orders == {first.id: b"o" * 32, others[0].id: only_order(wallet).order}


async def test_no_fitting_price_point(roles: Roles) -> None:
    shopper, _ = await buyer(roles, "mia", tokens=0)
    with pytest.raises(NotAPricePoint) as refused:
        await withdraw_tokens(shopper, PRICE + 1, 1)
    assert "5.00" in refused.value.detail and "50.00" in refused.value.detail
    assert await roles.balance("mia") == CREDIT


async def test_token_of_another_price_does_not_fit(roles: Roles, tmp_path: Path) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=0)
    await withdraw_tokens(shopper, 2 * PRICE, 1)
    with pytest.raises(NoTokens):
        await buy(roles, wallet, tmp_path / "out")
    assert wallet.database.run_now(all_orders) == []


async def test_token_whose_key_has_ended_is_not_shown(roles: Roles, tmp_path: Path) -> None:
    _, wallet = await buyer(roles, "mia")
    roles.clock.ahead += 91 * DAY
    with pytest.raises((NoTokens, DescriptorExpired)):
        await buy(roles, wallet, tmp_path / "out")
    assert wallet.database.run_now(all_orders) == []


async def test_clock_set_back_stops_before_anything_is_shown(roles: Roles, tmp_path: Path) -> None:
    _, wallet = await buyer(roles, "mia")
    late = replace(wallet, clock=lambda: roles.clock() - 31 * DAY)
    with pytest.raises(DescriptorExpired):
        await buy(roles, late, tmp_path / "out")
    assert unspent(roles, wallet) == 2


async def test_broker_that_loses_an_answer_is_asked_again(roles: Roles) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=1)
    (token,) = wallet.database.run_now(tokens_of, roles.opened.fingerprint, UNSPENT)
    key = wallet.database.run_now(known_keys, roles.opened.fingerprint)[token.key]
    seed, broker = wallet.seed or b"", roles.opened.fingerprint

    def make(first: int) -> Any:
        secrets = secrets_from(seed, "mia", key, first, 4)
        return plan(seed, "mia", key, first, secrets, wallet.clock())

    lost = wallet.database.run_now(begin_withdrawal, broker, "mia", key.listed.key, make)
    state = roles.wallet("mia").database.run_now(seeded_state)
    request = Issue(
        request=lost.request,
        wallet=state,
        key=lost.key,
        first=lost.first,
        blinded=lost.blinded,
    )
    await shopper.session.ask(request, Issued)  # and the wallet dies before it has the answer
    assert unspent(roles, wallet) == 1
    assert await ask_for_lost(shopper) == 4
    assert await ask_for_lost(shopper) == 0
    assert unspent(roles, wallet) == 5
    assert await roles.balance("mia") == CREDIT - 5 * PRICE


def seeded_state(connection: Any) -> bytes:
    from veilmart.customer.wallet.seed_state import usable

    return usable(connection).wallet


def lying(shopper: Any, change: Callable[[Issued], Issued]) -> None:
    """Whatever comes back from `issue` is another answer."""
    honest = shopper.session.ask

    async def ask(request: Any, kind: Any, *, bound: bool = False) -> Any:
        answer = await honest(request, kind, bound=bound)
        return change(answer) if isinstance(answer, Issued) else answer

    shopper.session.ask = ask


async def test_broker_whose_signatures_do_not_verify(roles: Roles) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=0)

    def spoil(answer: Issued) -> Issued:
        changed = bytearray(answer.signatures)
        changed[300] ^= 1
        return msgspec.structs.replace(answer, signatures=bytes(changed))

    lying(shopper, spoil)
    with pytest.raises(TokenInvalid) as refused:
        await withdraw_tokens(shopper, PRICE, 2)
    assert "debited" in refused.value.money_now
    assert unspent(roles, wallet) == 0

    def stored(connection: Any) -> Any:
        from sqlalchemy import select

        from veilmart.customer.schema.token_tables import withdrawals

        return connection.execute(select(withdrawals)).one()

    row = wallet.database.run_now(stored)
    assert (row.state, len(row.answer)) == (INVALID, 512)


# ---- interrupted ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["pay", "segment", "release", "acknowledge"])
async def test_killed_anywhere_sync_finishes(roles: Roles, tmp_path: Path, step: str) -> None:
    _, wallet = await buyer(roles, "mia")
    with pytest.raises(Killed):
        await buy(roles, wallet, tmp_path / "out", observe=killed_at(step))
    (order,) = to_sync(wallet)
    assert order.spend is not None
    recovered = await finish(roles, replace(wallet, seed=None), order)  # no passphrase is needed
    assert recovered.outcome == "done"
    assert recovered.path is not None and recovered.path.read_bytes() == GOODS["june.txt"]
    assert to_sync(wallet) == []
    assert unspent(roles, wallet) == 1
    await roles.check_books()


async def test_late_spend_brings_the_refund_token(roles: Roles, tmp_path: Path) -> None:
    _, wallet = await buyer(roles, "mia", tokens=1)
    with pytest.raises(Killed):
        await buy(roles, wallet, tmp_path / "out", observe=killed_at("pay"))
    roles.clock.ahead += 3600
    recovered = await finish(roles, wallet, only_order(wallet))
    assert recovered.outcome == "refunded"
    assert only_order(wallet).state == "refunded"
    assert to_sync(wallet) == []
    assert unspent(roles, wallet) == 1
    bought = await buy(roles, wallet, tmp_path / "out")
    assert bought.path.exists()
    await roles.check_books()


async def test_order_cut_off_an_epoch_ago_is_exchanged_under_a_key_of_today(
    roles: Roles, tmp_path: Path
) -> None:
    _, wallet = await buyer(roles, "mia", tokens=1)
    with pytest.raises(Killed):
        await buy(roles, wallet, tmp_path / "out", observe=killed_at("pay"))
    roles.clock.ahead += 32 * DAY
    roles.opened_descriptor()  # the broker has made its new keys meanwhile
    await roles.broker.stop()
    await roles.broker.start()
    roles.outside.target = roles.broker.address
    order = only_order(wallet)
    with pytest.raises(WalletLocked):
        await finish(roles, replace(wallet, seed=None), order)
    assert (await finish(roles, wallet, order)).outcome == "refunded"
    assert unspent(roles, wallet) == 1


@pytest.mark.parametrize("step", ["pay", "segment"])
async def test_cancelled_order_brings_its_token_back(
    roles: Roles, tmp_path: Path, step: str
) -> None:
    _, wallet = await buyer(roles, "mia", tokens=1)
    with pytest.raises(Killed):
        await buy(roles, wallet, tmp_path / "out", observe=killed_at(step))
    recovered = await finish(roles, wallet, only_order(wallet), cancel=True)
    assert recovered.outcome == "cancelled"
    assert unspent(roles, wallet) == 1
    await roles.check_books()


async def test_order_refunded_by_its_deadline_brings_its_token(
    roles: Roles, tmp_path: Path
) -> None:
    _, wallet = await buyer(roles, "mia", tokens=1)
    with pytest.raises(Killed):
        await buy(roles, wallet, tmp_path / "out", observe=killed_at("segment"))
    order = only_order(wallet)
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        await shopper.perform(cancel_only(order))
    recovered = await finish(roles, wallet, order)
    assert recovered.outcome == "refunded"
    assert unspent(roles, wallet) == 1


def cancel_only(order: Order) -> Any:
    """The broker refunds; the wallet does not hear of it."""
    from veilmart.customer.purchase.recovery_rules import _send_cancel

    return _send_cancel(order)


async def test_token_shown_once_is_never_deposited_nor_shown_again(
    roles: Roles, tmp_path: Path
) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=1)
    with pytest.raises(Killed):
        await buy(roles, wallet, tmp_path / "out", observe=killed_at("pay"))
    with pytest.raises(NoTokens):
        await deposit_tokens(shopper, None, None)
    with pytest.raises(NoTokens):
        await buy(roles, wallet, tmp_path / "out", title="july.txt")
    done = await finish(roles, wallet, only_order(wallet))
    with pytest.raises(WrongOrderState):
        await finish(roles, wallet, done.order, cancel=True)


async def test_a_refund_token_never_comes_onto_a_balance(roles: Roles, tmp_path: Path) -> None:
    """It would say which account made the order, by what was withdrawn under its key."""
    shopper, wallet = await buyer(roles, "mia", tokens=2)
    with pytest.raises(Killed):
        await buy(roles, wallet, tmp_path / "out", observe=killed_at("segment"))
    recovered = await finish(roles, wallet, only_order(wallet), cancel=True)
    assert recovered.outcome == "cancelled"
    assert unspent(roles, wallet) == 2
    returned = await deposit_tokens(shopper, None, None)
    assert returned.count == 1, "what the account withdrew, and not the refund"
    assert unspent(roles, wallet) == 1
    with pytest.raises(NoTokens):
        await deposit_tokens(shopper, None, None)


# ---- the two views -------------------------------------------------------------------------------


async def test_broker_that_shows_the_anonymous_another_descriptor(
    roles: Roles, tmp_path: Path
) -> None:
    _, wallet = await buyer(roles, "mia")
    shown = roles.opened_descriptor()
    other = msgspec.structs.replace(shown.descriptor, name="Another")
    signed = read_descriptor(sign_descriptor(other, roles.opened.identity))
    wallet.database.run_now(keep_seen, "anonymous", [signed])
    for _ in range(2):
        with pytest.raises((DescriptorForked, ViewsForked)):
            await buy(roles, wallet, tmp_path / "out")
    (proof,) = wallet.database.run_now(all_proofs)
    assert verify_proof(proof.content).conclusive
    assert unspent(roles, wallet) == 2


async def test_views_share_pins_and_tokens_only(roles: Roles, tmp_path: Path) -> None:
    """What the account saw is not what the anonymous connection relies on: it fetches anew."""
    _, wallet = await buyer(roles, "mia")
    steps: list[str] = []

    def watch(event: Any) -> None:
        steps.append(getattr(event, "step", ""))

    await buy(roles, wallet, tmp_path / "out", observe=watch)
    for step in ("session", "descriptor", "tunnel", "catalogue", "select", "pay"):
        assert step in steps
    assert "login" not in steps
    assert steps.count("tunnel") == 1


# ---- the proxy -----------------------------------------------------------------------------------


async def test_every_purchase_goes_through_the_proxy_as_a_stranger(
    roles: Roles, tmp_path: Path
) -> None:
    _, direct = await buyer(roles, "mia")
    async with socks_server() as proxy:
        wallet = replace(direct, proxy=SocksProxy("127.0.0.1", proxy.port))
        for title in ("june.txt", "july.txt"):
            await buy(roles, wallet, tmp_path / "out", title=title)
        assert len({username for username, *_ in proxy.seen}) == 2


async def test_proxy_that_is_down_is_never_gone_around(roles: Roles, tmp_path: Path) -> None:
    _, direct = await buyer(roles, "mia")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        wallet = replace(direct, proxy=SocksProxy("127.0.0.1", closed.getsockname()[1]))
        with pytest.raises(ProxyFailed):
            await buy(roles, wallet, tmp_path / "out")
    assert unspent(roles, wallet) == 2


# ---- stocks --------------------------------------------------------------------------------------


async def test_stock_is_refilled_in_packs_at_its_own_hour_and_not_after_purchases(
    roles: Roles, tmp_path: Path
) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=3)
    broker = roles.opened.fingerprint
    state = wallet.database.run_now(seeded_row)
    now = wallet.clock()
    hour = (now - state.refill_second) % DAY
    today = (now - state.refill_second) // DAY
    wallet.database.run_now(keep_stock, broker, PRICE, 3, today)
    await buy(roles, wallet, tmp_path / "out")
    assert due_stocks(wallet) == []
    tomorrow = DAY - hour + 60
    due = replace(wallet, clock=lambda: now + tomorrow)
    assert due_stocks(replace(wallet, clock=lambda: now + tomorrow + 2 * 3600)) == []
    (stock,) = due_stocks(due)
    withdrawn = await refill(shopper, stock)
    assert withdrawn is not None and withdrawn.count == 3
    assert unspent(roles, wallet) == 5


def seeded_row(connection: Any) -> Any:
    from veilmart.customer.wallet.seed_state import usable

    return usable(connection)
