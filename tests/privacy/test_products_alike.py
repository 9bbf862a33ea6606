"""Product equality: the broker's record of two purchases that differ in the product alone is equal.

At the broker's own door: every request of the customer, every question to the merchant, with the
sizes of both and in their order. By account and token, in both suites, for refused choices, unique
codes, `look`, fetching again, and the restore of an order. Times are compared by the trained
attacker (test_trained_attacker.py), and on a virtual clock in test_purchases_look_alike.py.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
import pytest_asyncio

from tests.privacy.attacked_market import PRICES, named, stock
from tests.privacy.broker_record import Record, recording_broker
from tests.privacy.lives import with_samples
from tests.support.buyers import buyer
from tests.support.roles import PASSWORD, Roles, Template, running_roles
from veilmart.crypto.suite import all_suites
from veilmart.customer import effects
from veilmart.customer.cli.look import look
from veilmart.customer.connection.performer import Performer
from veilmart.customer.connection.shopper import connect
from veilmart.customer.library.updates import fetch_again
from veilmart.customer.purchase.file_writer import deliver, deliver_copy
from veilmart.customer.purchase.payment_rules import AccountPayment, TokenPayment
from veilmart.customer.tokens.lost_order import bring_back
from veilmart.customer.tokens.restore import restore_tokens
from veilmart.customer.tokens.stock import withdraw_tokens
from veilmart.customer.wallet.lost_orders import orders_lost
from veilmart.customer.wallet.orders import Order, order_key
from veilmart.customer.wallet.seed import restore_seed, seed_words
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import ProductGone
from veilmart.terminal.command import Common
from veilmart.transport.frame_exchange import FrameExchange
from veilmart.transport.stream_client import StreamClient

pytestmark = pytest.mark.asyncio(loop_scope="module")
SMALLEST, LARGEST = 0, 4
Marked = tuple[Roles, Record]
Shape = list[tuple[str, int, int]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Marked]:
    """Small, big and code shelves of one merchant, and one of two products with one sample."""
    folder = tmp_path_factory.mktemp("market")
    stocked = with_samples(template, folder / "samples")
    for shelf in ("small", "big", "codes"):
        stocked = stock(stocked, folder / shelf, shelf)
    record = Record()
    with recording_broker(record):
        async with running_roles(stocked, folder / "running") as roles:
            yield roles, record
    shutil.rmtree(folder, ignore_errors=True)


async def customer(market: Marked, name: str, shelf: str) -> Wallet:
    shopper, wallet = await buyer(market[0], name, tokens=0)
    await market[0].pay_in(name, 100_000_00)
    await withdraw_tokens(shopper, PRICES[shelf], 4)
    return wallet


async def alike(market: Marked, play: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """Played with the smallest and the largest product: the broker's record is equal."""
    _, record = market
    shapes: list[Shape] = []
    results = []
    for product in (SMALLEST, LARGEST):
        record.seen = []
        results.append(await play(product))
        # Segments that are asked for together end in any order; they begin in theirs.
        begun = sorted(record.seen, key=lambda one: one.begin)
        shapes.append([(one.door, one.sent, one.got) for one in begun])
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 3
    return results


async def purchase(
    roles: Roles, wallet: Wallet, title: str, out: Path, *, by_token: bool, suite: Any = None
) -> Order:
    payment = TokenPayment(wallet.seed or b"", wallet.clock, now=True)
    async with await connect(wallet, roles.link, anonymous=by_token, suite=suite) as shopper:
        menu = await shopper.browse(roles.merchant_print)
        product = named(menu, title)
        paying = payment if by_token else AccountPayment()
        return (await shopper.buy(menu, product, out, payment=paying)).order


@pytest.mark.parametrize("suite", [0, 1])
@pytest.mark.parametrize("by_token", [False, True])
@pytest.mark.parametrize("shelf", ["small", "big", "codes"])
async def test_purchases(
    market: Marked, tmp_path: Path, shelf: str, by_token: bool, suite: int
) -> None:
    roles, chosen = market[0], all_suites()[suite]
    wallet = await customer(market, f"{shelf}-{by_token}-{suite}", shelf)
    how: dict[str, Any] = {"by_token": by_token, "suite": chosen}
    await purchase(roles, wallet, f"{shelf}2", tmp_path, **how)  # nothing is new any more
    await alike(market, lambda n: purchase(roles, wallet, f"{shelf}{n}", tmp_path, **how))


async def test_a_wallet_hears_nothing_from_the_key_to_the_acknowledgement(
    market: Marked, tmp_path: Path
) -> None:
    """While it opens and writes; by a ping the broker would hear until when."""
    roles = market[0]
    wallet = await customer(market, "deaf", "small")
    done: list[str] = []
    ask, rest = FrameExchange.ask, StreamClient.rest

    async def asked(exchange: FrameExchange, kind: Any, body: bytes, seconds: float) -> bytes:
        if not exchange.dialling:
            done.append("asks")
        return await ask(exchange, kind, body, seconds)

    async def rested(client: StreamClient) -> None:
        done.append("rests")
        await rest(client)
        assert client._end is not None and client._end._transport is not None
        assert not client._end._transport.is_reading()

    def delivered(*arguments: Any, **more: Any) -> Any:
        done.append("writes")
        return deliver(*arguments, **more)

    with (
        patch.object(FrameExchange, "ask", asked),
        patch.object(StreamClient, "rest", rested),
        patch("veilmart.customer.purchase.completion_rules.deliver", delivered),
    ):
        await purchase(roles, wallet, "small0", tmp_path, by_token=True)
    rests = done.index("rests")
    assert done.count("rests") == done.count("writes") == 1
    assert done[rests : rests + 3] == ["rests", "writes", "asks"]


async def test_a_connection_that_fetches_again_closes_at_a_slot(
    market: Marked, tmp_path: Path
) -> None:
    """Else its close would say how long the writing took."""
    roles = market[0]
    wallet = await customer(market, "closing", "small")
    order = await purchase(roles, wallet, "small0", tmp_path, by_token=True)
    await roles.merchant_hears_of_all()
    done: list[str] = []
    pace, aclose = Performer._pace, StreamClient.aclose

    async def paced(performer: Performer, effect: effects.Pace) -> float:
        done.append("slot begins" if effect.since is None else "slot ends")
        return await pace(performer, effect)

    async def closed(client: StreamClient) -> None:
        done.append("closes")
        await aclose(client)

    def delivered(*arguments: Any) -> Any:
        done.append("writes")
        return deliver_copy(*arguments)

    with (
        patch.object(Performer, "_pace", paced),
        patch.object(StreamClient, "aclose", closed),
        patch("veilmart.customer.library.refetch_rules.deliver_copy", delivered),
    ):
        async with await connect(wallet, roles.link, anonymous=True) as shopper:
            await fetch_again(shopper, order, tmp_path / "again", newest=False)
    assert done == ["slot begins", "writes", "slot ends", "closes"]


async def test_look(market: Marked, tmp_path: Path) -> None:
    """The command: a product with a sample, and one without cover or sample."""
    roles = market[0]
    roles.wallet("looking")
    async with await connect(roles.wallet("looking"), roles.link):
        pass
    common = Common(home=roles.folder / "looking", json=True)
    titles = {SMALLEST: "july.txt", LARGEST: "june.txt"}

    async def play(number: int) -> None:
        code = await asyncio.to_thread(look, titles[number], save=tmp_path, common=common)
        assert code == 0

    await alike(market, play)
    assert [path.name for path in tmp_path.iterdir()] == ["page.txt"]


@pytest.mark.parametrize("suite", [0, 1])
async def test_refused_choices(market: Marked, tmp_path: Path, suite: int) -> None:
    """A product that the merchant does not have any more as it was."""
    roles, chosen = market[0], all_suites()[suite]
    wallet = await customer(market, f"refused-{suite}", "small")

    async def play(number: int) -> None:
        async with await connect(wallet, roles.link, anonymous=True, suite=chosen) as shopper:
            menu = await shopper.browse(roles.merchant_print)
            gone = bytes([number + 1]) * 32
            product = msgspec.structs.replace(named(menu, f"small{number}"), root=gone)
            payment = TokenPayment(wallet.seed or b"", wallet.clock, now=True)
            with pytest.raises(ProductGone):
                await shopper.buy(menu, product, tmp_path, payment=payment)

    await alike(market, play)


async def test_fetching_again_and_restored_orders(market: Marked, tmp_path: Path) -> None:
    roles = market[0]
    wallet = await customer(market, "returning", "big")
    orders = {
        number: await purchase(roles, wallet, f"big{number}", tmp_path, by_token=True)
        for number in (SMALLEST, LARGEST)
    }
    await roles.merchant_hears_of_all()

    async def again(number: int) -> None:
        async with await connect(wallet, roles.link, anonymous=True) as shopper:
            await fetch_again(shopper, orders[number], tmp_path / "again", newest=False)

    await alike(market, again)
    fresh = restore_seed(roles.wallet("returned"), seed_words(wallet, ""), "")
    roles.wallets["returned"] = fresh
    async with await connect(fresh, roles.link) as account:
        await account.account.login("returning", PASSWORD)
        await restore_tokens(account)
    lost = {one.order_key: one for one in fresh.database.run_now(orders_lost)}

    async def bring(number: int) -> None:
        async def meet(_merchant: bytes) -> None:
            raise AssertionError("It is pinned by the link.")

        async with await connect(fresh, roles.link, anonymous=True) as shopper:
            one = lost[order_key(orders[number])]
            _, title = await bring_back(shopper, one, meet, tmp_path)
            assert title.startswith(f"big{number}")

    await alike(market, bring)
