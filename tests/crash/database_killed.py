"""PostgreSQL's own server killed while customers buy: no acknowledged write may be lost.

Acknowledged is what somebody outside the database has heard: the payment receipt, the key and the
settlement that a wallet has stored, the credit that an operator's call has returned.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from tests.crash.market import PASSWORD, PRICES, SMALL, Market
from tests.support.postgres import PostgresServer
from veilmart.broker.operator.bookkeeping import credit
from veilmart.broker.schema import tables
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.wallet.orders import Order, all_orders
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.errors import VeilmartError
from veilmart.terminal.clock import unix_now

PLENTY = 100_000_00
PAUSE_SECONDS = 0.1
HEAL_SECONDS = 120.0
# What a wallet's state says that the broker has answered, and where its invoice may be by then.
ACKNOWLEDGED = {
    "held": ("held", "released", "settled"),
    "released": ("released", "settled"),
    "done": ("settled",),
}


@dataclass
class Figures:
    """lost: acknowledged writes that were not there afterwards, one sentence each."""

    kills: int = 0
    bought: int = 0
    acknowledged: int = 0
    credits: int = 0
    errors: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    away_seconds: list[float] = field(default_factory=list)


class Load:
    """Customers who buy one after another, and an operator who books credits, until `stop`."""

    def __init__(self, market: Market, figures: Figures, random_bytes: random.Random) -> None:
        self._market = market
        self._figures = figures
        self._random = random_bytes
        self.stop = asyncio.Event()
        self.wallets: dict[str, Wallet] = {}
        self.attempted = 0

    async def enter(self, name: str) -> None:
        """Register, with money."""
        folder = self._market.folder / name
        self.wallets[name] = open_wallet(folder, unix_now, self._random.randbytes)
        async with await connect(self.wallets[name], self._market.link) as shopper:
            await shopper.account.register(name, PASSWORD)
        await self._market.opened.database.run(credit, name, PLENTY, False, unix_now())
        self._market.paid_in += PLENTY

    async def buy(self, name: str) -> None:
        """Again and again; what was interrupted is finished first."""
        wallet = self.wallets[name]
        while not self.stop.is_set():
            try:
                async with await connect(wallet, self._market.link) as shopper:
                    await self._recover(shopper)
                    menu = await shopper.browse(self._market.merchant_print)
                    while not self.stop.is_set():
                        await self._buy_one(shopper, menu, name)
            except VeilmartError as error:
                self._figures.errors[error.code] += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def _buy_one(self, shopper: Shopper, menu: Menu, name: str) -> None:
        product = next(found for found in menu.products if found.file_name == SMALL)
        await shopper.buy(menu, product, self._market.out(name))
        self._figures.bought += 1

    async def _recover(self, shopper: Shopper) -> None:
        for order in to_sync(shopper.wallet):
            await shopper.recover(order)

    async def book(self, name: str) -> None:
        """Credits of one minor unit each, whose booking is acknowledged or not."""
        database = self._market.opened.database
        while not self.stop.is_set():
            self.attempted += 1
            try:
                await database.run(credit, name, 1, False, unix_now())
                self._figures.credits += 1
            except VeilmartError as error:
                self._figures.errors[error.code] += 1
            await asyncio.sleep(0.01)

    async def heal(self) -> None:
        """Everybody finishes what was interrupted."""
        async with asyncio.timeout(HEAL_SECONDS):
            for wallet in self.wallets.values():
                while to_sync(wallet):
                    try:
                        async with await connect(wallet, self._market.link) as shopper:
                            await self._recover(shopper)
                        if all(order.state == "abandoned" for order in to_sync(wallet)):
                            break
                    except VeilmartError:
                        await asyncio.sleep(PAUSE_SECONDS)


async def kill_under_load(
    server: PostgresServer, market: Market, customers: int, kills: int, seed: int
) -> Figures:
    """`customers` buy while the server is killed `kills` times and started again.

    Raises AssertionError when the market does not heal or its books do not add up.
    """
    figures, chance = Figures(), random.Random(seed)
    load = Load(market, figures, chance)
    names = [f"buyer{number}" for number in range(customers)]
    for name in (*names, "till"):
        await load.enter(name)
    tasks = [asyncio.create_task(load.buy(name)) for name in names]
    tasks.append(asyncio.create_task(load.book("till")))
    for _ in range(kills):
        bought = figures.bought
        while figures.bought <= bought + customers:
            await asyncio.sleep(0.01)
        await asyncio.sleep(chance.uniform(0.05, 0.4))
        await _kill_once(server, market, load, figures)
    bought = figures.bought
    async with asyncio.timeout(HEAL_SECONDS):
        while figures.bought <= bought + customers:  # purchases go on
            await asyncio.sleep(0.02)
    load.stop.set()
    await asyncio.gather(*tasks)
    await load.heal()
    await _check(market, load, figures)
    return figures


async def _kill_once(server: PostgresServer, market: Market, load: Load, figures: Figures) -> None:
    began = time.monotonic()
    await asyncio.to_thread(server.kill)
    figures.kills += 1
    heard = {name: wallet.database.run_now(all_orders) for name, wallet in load.wallets.items()}
    credits = figures.credits
    await asyncio.to_thread(server.start)
    while True:
        try:
            states = await market.opened.database.run(_states)
            till = await market.balance("till")
            break
        except VeilmartError:
            await asyncio.sleep(0.02)
    figures.away_seconds.append(time.monotonic() - began)
    for name, orders in heard.items():
        _compare(name, orders, states, figures)
    if till < PLENTY + credits:
        figures.lost.append(f"{PLENTY + credits - till} of {credits} credits")


def _compare(name: str, orders: list[Order], states: dict[bytes, str], figures: Figures) -> None:
    for order in orders:
        allowed = ACKNOWLEDGED.get(order.state)
        if allowed is None:
            continue
        figures.acknowledged += 1
        if states.get(order.order) not in allowed:
            found = states.get(order.order)
            figures.lost.append(f"{name}: {order.state}, but the invoice is {found}")


def _states(conn: Connection) -> dict[bytes, str]:
    query = select(tables.invoices.c.order, tables.invoices.c.state)
    return {row[0]: row[1] for row in conn.execute(query)}


async def _check(market: Market, load: Load, figures: Figures) -> None:
    states = await market.opened.database.run(_states)
    till = await market.balance("till")
    assert PLENTY + figures.credits <= till <= PLENTY + load.attempted
    market.paid_in += till - PLENTY
    for name, wallet in load.wallets.items():
        orders = wallet.database.run_now(all_orders)
        _compare(name, orders, states, figures)
        done = sum(order.state == "done" for order in orders)
        assert {order.state for order in orders} <= {"done", "abandoned", "refunded"}
        if name != "till":
            assert await market.balance(name) == PLENTY - PRICES[SMALL] * done
        await wallet.aclose()
    await market.check_books()
    await market.check_merchant()
