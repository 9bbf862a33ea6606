"""Transcript equality: the history of one identity does not show in what another one sends.

Wallets that differ only in what their other identities have done play the same acts against a real
market; the sequences of requests (connection, method, path, sizes, order) are equal. The matrix of
histories is drawn by hypothesis, the same in each run. When things happen is drawn at random or
decided by a person: tests/customer/library/test_errands.py.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hypothesis
import pytest
import pytest_asyncio
from hypothesis import strategies as st

from tests.bad_input.buyers import buy, buyer
from tests.bad_input.roles import PASSWORD, Roles, Template, running_roles
from tests.privacy import lives
from tests.privacy.recording import Seen
from veilmart.broker.server.http_app import BrokerApp
from veilmart.customer.connection.shopper import connect
from veilmart.customer.tokens.restore import restore_tokens
from veilmart.customer.wallet.seed import restore_seed, seed_words
from veilmart.customer.wallet.wallet import Wallet

pytestmark = pytest.mark.asyncio(loop_scope="module")
OF_THE_ACCOUNT = ["account buys", "account looks", "withdraws", "deposits", "pins again"]
ANONYMOUS = ["token buys", "token is refunded", "token order is cut off"]
Acts = dict[str, list[Seen]]


def histories(count: int, of: list[str]) -> list[list[str]]:
    """So many different ones, and the empty one first."""
    found: list[list[str]] = [[]]

    @hypothesis.settings(
        max_examples=40 * count,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        deadline=None,
    )
    @hypothesis.given(st.lists(st.sampled_from(of), min_size=2, max_size=3))
    def draw(history: list[str]) -> None:
        if history not in found and len(found) < count:
            found.append(history)

    draw()
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roles]:
    """One market for all wallets."""
    folder = tmp_path_factory.mktemp("market")
    stocked = lives.with_samples(template, folder / "stocked")
    async with running_roles(stocked, folder / "running", streams=False) as running:
        yield running


async def anonymous_acts(roles: Roles, name: str, history: list[str], out: Path) -> Acts:
    """What each anonymous identity of a wallet sends, after the others lived through `history`.

    The order that is given up, the one that goes on and the one that is fetched again are made
    first: they are those identities' own past.
    """
    shopper, wallet = await buyer(roles, name, tokens=4)
    given_up = await lives.held(roles, wallet, out / "given-up")
    await lives.give_up(roles, wallet, given_up)
    owned = (await buy(roles, wallet, out / "owned")).order
    cut_off = await lives.held(roles, wallet, out / "cut-off")
    await lives.live(roles, shopper, wallet, history, out)
    await roles.merchant_hears_of_all()
    found: Acts = {}
    with lives.recorded() as found["browse"]:
        await lives.browse(roles, wallet)
    with lives.recorded() as found["look"]:
        await lives.look(roles, wallet)
    with lives.recorded() as found["purchase"]:
        await lives.buy_anonymously(roles, wallet, out / "bought")
    with lives.recorded() as found["fetch again"]:
        await lives.fetch(roles, wallet, owned, out / "again")
    with lives.recorded() as found["sync of an order"]:
        await lives.go_on(roles, wallet, cut_off)
    to_refund = await lives.held(roles, wallet, out / "refund")
    with lives.recorded() as found["refund"]:
        await lives.give_up(roles, wallet, to_refund)
    return found


async def account_acts(roles: Roles, name: str, past: list[str], out: Path) -> Acts:
    """What the account sends, after this wallet's anonymous identities lived through `past`."""
    shopper, wallet = await buyer(roles, name, tokens=0)
    # The account's own past is the same in each world: as many tokens withdrawn.
    for _ in range(3):
        await lives.live(roles, shopper, wallet, ["withdraw one"], out)
    await lives.live(roles, shopper, wallet, past, out)
    found: Acts = {}
    with lives.recorded() as found["purchase"]:
        await lives.buy_from_account(roles, wallet, out / "bought")
    with lives.recorded() as found["tokens"]:
        await lives.use_tokens_of_account(roles, wallet)
    fresh = restore_seed(roles.wallet(f"{name}-again"), seed_words(wallet, ""), "")
    roles.wallets[f"{name}-again"] = fresh
    with lives.recorded() as found["restore"]:
        await _restore(roles, name, fresh)
    return found


async def _restore(roles: Roles, name: str, fresh: Wallet) -> None:
    async with await connect(fresh, roles.link) as shopper:
        await shopper.account.login(name, PASSWORD)
        await restore_tokens(shopper)


async def test_what_anonymous_identities_send_shows_nothing_of_the_wallets_other_ones(
    market: Roles, tmp_path: Path
) -> None:
    matrix = histories(4, OF_THE_ACCOUNT + ANONYMOUS)
    played = [
        await anonymous_acts(market, f"buyer{number}", history, tmp_path / str(number))
        for number, history in enumerate(matrix)
    ]
    first = played[0]
    assert any(path.startswith("/v1/token-keys/") for _, path, _, _ in first["purchase"])
    for name, transcript in first.items():
        assert [method for method, *_ in transcript].count("OPEN") == 1, name
        for history, other in zip(matrix, played, strict=True):
            assert other[name] == transcript, (name, history)


async def test_what_an_account_sends_shows_nothing_of_anonymous_identities(
    market: Roles, tmp_path: Path
) -> None:
    # As many tokens spent in each: how many of its own it puts back is what a person decides.
    matrix = [["spends one"] * 2, ["spends and gets one back"] * 2, ["spends one", "looks around"]]
    matrix[2].append("spends and gets one back")
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
