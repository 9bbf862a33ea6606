"""What one purchase costs in HTTP exchanges and durable commits, counted at each party.

All three roles run in this process, so that their databases can be asked; exchanges are counted on
the wire. Each purchase is counted on its own. What a broker does every few seconds, however many
purchases there are (marking reports as delivered, in one commit for all), may fall into one
of them: the row says what most purchases cost.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mode
from typing import Any

from bench.counting_relay import CountingRelay, counting_relay
from veilmart.broker import merchants
from veilmart.broker.home import initialise, renew_descriptor
from veilmart.broker.operator.admission import fetch_candidate
from veilmart.broker.operator.bookkeeping import credit
from veilmart.broker.server.running import serve_opened as serve_broker
from veilmart.broker.state import ignore as broker_ignore
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.merchant.server.running import serve_opened as serve_merchant
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import look_at
from veilmart.protocol.address import Link
from veilmart.storage.database.port import Database
from veilmart.terminal.clock import unix_now

PURCHASES = 5
PRODUCT_BYTES = 10 * 1024 - 400
PRICE = 100
CREDIT = 100_000
WAIT_SECONDS = 20
REACH = {
    "customer-broker exchanges": 5,
    "broker-merchant exchanges": 4,
    "broker commits": 4,
    "merchant commits": 3,
    "customer commits": 4,
}


@dataclass
class Market:
    """A logged-in customer with money, and what there is to count."""

    shopper: Shopper
    merchant: bytes
    relay: CountingRelay
    databases: dict[str, Database]

    def counts(self) -> dict[str, int]:
        """So far, under the names of REACH."""
        found = {f"{name} commits": database.commits for name, database in self.databases.items()}
        found["customer-broker exchanges"] = self.shopper.http.exchanges
        found["broker-merchant exchanges"] = self.relay.questions
        return found


async def started(begin: Callable[..., Coroutine[Any, Any, None]], stack: AsyncExitStack) -> int:
    """Serve until the stack closes; the port."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(begin(stop=stop, on_started=port.set_result))

    async def end() -> None:
        stop.set()
        await task

    stack.push_async_callback(end)
    await asyncio.wait([task, port], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
    return port.result() if port.done() else await port


@asynccontextmanager
async def market(folder: Path) -> AsyncIterator[Market]:
    """Broker, merchant with two products of 10 KiB, and a customer, all in this event loop."""
    common: dict[str, Any] = {"clock": unix_now, "random": os.urandom}
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(counting_relay())
        opened = initialise(folder / "broker", os.urandom)
        stack.push_async_callback(opened.database.aclose)
        own = renew_descriptor(opened, unix_now(), os.urandom).newest.public
        merchant = create_merchant(folder / "merchant", "stall", "http://127.0.0.1:9", own)
        shop = stack.enter_context(open_merchant(folder / "merchant"))
        goods = [folder / f"product-{number}.bin" for number in range(2)]
        for file in goods:
            file.write_bytes(os.urandom(PRODUCT_BYTES))
        sources = tuple(look_at(file) for file in goods)
        add_now(shop, sources, price=PRICE, now=unix_now(), random=os.urandom)
        port = await started(
            lambda **more: serve_merchant(
                shop, "127.0.0.1", 0, observe=lambda _event: None, **common, **more
            ),
            stack,
        )
        relay.target = f"127.0.0.1:{port}"
        found = await fetch_candidate(opened, f"http://{relay.address}", unix_now())
        await opened.database.run(merchants.admit, found.descriptor, found.address)
        port = await started(
            lambda **more: serve_broker(
                opened, "127.0.0.1", 0, observe=broker_ignore, **common, **more
            ),
            stack,
        )
        wallet = open_wallet(folder / "customer", unix_now, os.urandom)
        stack.push_async_callback(wallet.aclose)
        link = Link("127.0.0.1", port, opened.fingerprint, merchant, None)
        shopper = await stack.enter_async_context(await connect(wallet, link))
        await shopper.account.register("customer", "bench password")
        await opened.database.run(credit, "customer", CREDIT, False, unix_now())
        databases = {
            "broker": opened.database,
            "merchant": shop.database,
            "customer": wallet.database,
        }
        yield Market(shopper, merchant, relay, databases)


async def settled_counts(market: Market) -> dict[str, int]:
    """The counts once nothing has moved for a while: the report follows the purchase."""
    counts, since = market.counts(), time.monotonic()
    ends = since + WAIT_SECONDS
    while time.monotonic() < min(ends, since + 0.3):
        await asyncio.sleep(0.02)
        now = market.counts()
        if now != counts:
            counts, since = now, time.monotonic()
    return counts


async def count_purchases(folder: Path, purchases: int = PURCHASES) -> list[dict[str, int]]:
    """For each of several purchases, what it cost, under the names of REACH."""
    async with market(folder) as opened:
        menu = await opened.shopper.browse(opened.merchant)
        (folder / "out").mkdir()
        costs: list[dict[str, int]] = []
        for turn in range(purchases + 1):
            before = await settled_counts(opened)
            product = menu.products[turn % len(menu.products)]
            await opened.shopper.buy(menu, product, folder / "out")
            after = await settled_counts(opened)
            costs.append({name: after[name] - before[name] for name in REACH})
        return costs[1:]  # the first one may have taken over the credit


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        costs = asyncio.run(count_purchases(Path(folder)))
    return [
        {
            "name": f"{name} per purchase",
            "figure": mode(cost[name] for cost in costs),
            "unit": "",
            "reach": reach,
            "at_most": True,
        }
        for name, reach in REACH.items()
    ]
