"""Transcript equality: the history of one identity does not show in what another one sends.

Wallets that differ only in what their other identities have done play the same acts against a real
market; the sequences of requests (connection, method, path, sizes, order) are equal. The matrix of
histories is drawn by hypothesis, the same in each run. When things happen is drawn at random or
decided by a person: tests/customer/library/test_errands.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.privacy import lives
from tests.privacy.account_acts import Acts, account_acts, again_from_words
from tests.privacy.lives import market as market
from tests.support.buyers import buy, buyer
from tests.support.roles import Roles
from veilmart.broker.server.http_app import BrokerApp
from veilmart.customer.wallet.lost_orders import orders_lost
from veilmart.customer.wallet.orders import Order, order_key
from veilmart.customer.wallet.wallet import Wallet

pytestmark = pytest.mark.asyncio(loop_scope="module")
OF_THE_ACCOUNT = [
    "account buys",
    "account looks",
    "withdraws",
    "deposits",
    "pins again",
    "a month passes",
]
ANONYMOUS = ["token buys", "token is refunded", "token order is cut off", "exchanges one"]


@dataclass(frozen=True)
class Life:
    """A wallet after its history, and the orders of the identities that act then."""

    wallet: Wallet
    owned: Order
    cut_off: Order
    to_refund: Order


def histories(count: int, of: list[str]) -> list[list[str]]:
    """The empty one, and all that can happen dealt out among the others."""
    drawn: list[list[str]] = []

    @hypothesis.settings(
        max_examples=20,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        deadline=None,
    )
    @hypothesis.given(st.permutations(of))
    def draw(order: list[str]) -> None:
        drawn.append(order)

    draw()
    order = drawn[-1]
    return [[], *(order[start :: count - 1] for start in range(count - 1))]


async def lived(roles: Roles, name: str, history: list[str], out: Path) -> Life:
    """What each acting identity has done is the same for all; then the others live `history`."""
    shopper, wallet = await buyer(roles, name, tokens=6)
    given_up = await lives.held(roles, wallet, out / "given-up")
    await lives.give_up(roles, wallet, given_up)
    owned = (await buy(roles, wallet, out / "owned")).order
    cut_off = await lives.held(roles, wallet, out / "cut-off")
    to_refund = await lives.held(roles, wallet, out / "refund")
    await lives.live(roles, shopper, wallet, history, out)
    return Life(wallet, owned, cut_off, to_refund)


async def anonymous_acts(roles: Roles, name: str, life: Life, out: Path) -> Acts:
    """What each anonymous identity of the wallet sends."""
    wallet = life.wallet
    found: Acts = {}
    with lives.recorded() as found["browse"]:
        await lives.browse(roles, wallet)
    with lives.recorded() as found["look"]:
        await lives.look(roles, wallet)
    with lives.recorded() as found["purchase"]:
        await lives.buy_anonymously(roles, wallet, out / "bought")
    with lives.recorded() as found["fetch again"]:
        await lives.fetch(roles, wallet, life.owned, out / "again")
    with lives.recorded() as found["sync of an order"]:
        await lives.go_on(roles, wallet, life.cut_off)
    with lives.recorded() as found["refund"]:
        await lives.give_up(roles, wallet, life.to_refund)
    with lives.recorded() as found["late refund"]:
        await lives.ask_for_late_refund(roles, wallet, life.owned)
    with lives.recorded() as found["exchange"]:
        await lives.exchange_one(roles, wallet)
    fresh = again_from_words(roles, name, wallet)
    await lives.restore(roles, name, fresh)
    known = {lost.order_key: lost for lost in fresh.database.run_now(orders_lost)}
    with lives.recorded() as found["restored order"]:
        await lives.ask_about_lost(roles, fresh, known[order_key(life.owned)], out / "restored")
    return found


async def test_what_anonymous_identities_send_shows_nothing_of_the_wallets_other_ones(
    market: Roles, tmp_path: Path
) -> None:
    matrix = histories(4, OF_THE_ACCOUNT + ANONYMOUS)
    out = [tmp_path / str(number) for number in range(len(matrix))]
    living = [
        await lived(market, f"buyer{number}", history, out[number])
        for number, history in enumerate(matrix)
    ]
    await market.merchant_hears_of_all()
    await lives.new_product(market, tmp_path / "goods")
    for life in living[::2]:  # has seen the newest catalogue; the others have seen the one before
        await lives.look(market, life.wallet)
    played = [
        await anonymous_acts(market, f"buyer{number}", life, out[number])
        for number, life in enumerate(living)
    ]
    first = played[0]
    assert len(first) == 9
    assert any(path.startswith("/v1/token-keys/") for _, path, _, _ in first["purchase"])
    for name, transcript in first.items():
        assert [method for method, *_ in transcript].count("OPEN") == 1, name
        for history, other in zip(matrix, played, strict=True):
            assert other[name] == transcript, (name, history)


async def test_what_an_account_sends_shows_nothing_of_anonymous_identities(
    market: Roles, tmp_path: Path
) -> None:
    # As many tokens spent in each: how many of its own it puts back is what a person decides.
    matrix = [
        ["spends one"] * 2,
        ["spends and gets one back"] * 2,
        ["spends one", "looks around", "exchanges one", "a month passes"],
    ]
    played = [
        await account_acts(market, f"payer{number}", past, tmp_path / str(number))
        for number, past in enumerate(matrix)
    ]
    for name, transcript in played[0].items():
        for past, other in zip(matrix, played, strict=True):
            assert other[name] == transcript, (name, past)


async def test_a_purchase_from_the_account_looks_at_the_menu_on_another_connection(
    market: Roles, tmp_path: Path
) -> None:
    """At the broker: a session with a login relays the choice, and neither catalogue nor covers."""
    _, wallet = await buyer(market, "menu-reader", tokens=0)
    asked: list[tuple[bool, str]] = []
    decide = BrokerApp._decide

    async def watched(app: Any, session: Any, message: Any, owner: str) -> Any:
        answer = await decide(app, session, message, owner)
        asked.append((session.login is not None, type(message).__name__))
        return answer

    with patch.object(BrokerApp, "_decide", watched):
        await lives.buy_from_account(market, wallet, tmp_path)
    assert [name for logged_in, name in asked if logged_in].count("Relay") == 1
    assert (False, "Relay") in asked
    assert (True, "GetMerchants") not in asked
