"""A market whose every process may be killed: homes, servers, money paid in, and what must hold."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from tests.crash.programs import Programs, Server
from veilmart.broker import merchants
from veilmart.broker.audit import audit
from veilmart.broker.home import BrokerHome, initialise, open_home, renew_descriptor
from veilmart.broker.operator.admission import fetch_candidate
from veilmart.broker.operator.bookkeeping import account_lines, credit
from veilmart.broker.schema import tables
from veilmart.customer.connection.shopper import connect
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.wallet.orders import Order, all_orders
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.merchant.cli.views import sales_views
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import look_at
from veilmart.protocol.address import Link
from veilmart.terminal.clock import unix_now

PASSWORD = "correct horse battery"
CREDIT = 100_00
SMALL, LARGE = "june.txt", "atlas.bin"
PRICES = {SMALL: 5_00, LARGE: 10_00}
GOODS = {SMALL: b"The stars of June.\n", LARGE: os.urandom(1024) * 2600}  # one piece; three
WAIT_SECONDS = 60.0


@dataclass
class Market:
    """paid_in: minor units that came in as cash and have not gone out again."""

    folder: Path
    opened: BrokerHome
    merchant_print: bytes
    programs: Programs
    broker: Server
    merchant: Server
    paid_in: int = 0
    customers: int = 0

    @property
    def broker_home(self) -> Path:
        return self.folder / "broker"

    @property
    def merchant_home(self) -> Path:
        return self.folder / "merchant"

    @property
    def link(self) -> Link:
        prints = (self.opened.fingerprint, self.merchant_print)
        return Link("127.0.0.1", self.broker.port, *prints, None)

    def server(self, role: str) -> Server:
        return self.broker if role == "broker" else self.merchant

    # ---- customers -------------------------------------------------------------------------

    async def customer(self, amount: int = CREDIT) -> str:
        """A new one, registered, with money; its name is that of its home."""
        self.customers += 1
        name = f"customer{self.customers}"
        wallet = open_wallet(self.folder / name, unix_now, os.urandom)
        try:
            async with await connect(wallet, self.link) as shopper:
                await shopper.account.register(name, PASSWORD)
        finally:
            await wallet.aclose()
        if amount:
            await self.opened.database.run(credit, name, amount, False, unix_now())
            self.paid_in += amount
        return name

    def orders(self, name: str) -> list[Order]:
        """Of a wallet, newest first."""
        wallet = open_wallet(self.folder / name, unix_now, os.urandom)
        try:
            return wallet.database.run_now(all_orders)
        finally:
            wallet.close()

    def unfinished(self, name: str) -> list[Order]:
        """What `sync` would move, or ask about."""
        wallet = open_wallet(self.folder / name, unix_now, os.urandom)
        try:
            return to_sync(wallet)
        finally:
            wallet.close()

    async def balance(self, name: str) -> int:
        lines = await self.opened.database.run(lambda conn: list(account_lines(conn)))
        return next(line.balance for line in lines if line.name == name)

    # ---- commands ----------------------------------------------------------------------------

    async def buy(self, name: str, product: str) -> int:
        home, out = str(self.folder / name), str(self.out(name))
        words = ("customer", "buy", product, "--yes", "--again", "--home", home, "--out", out)
        return await self.programs.run("customer", *words)

    async def customer_runs(self, name: str, *words: str) -> int:
        home = ("--home", str(self.folder / name))
        return await self.programs.run("customer", "customer", *words, *home)

    async def operator_runs(self, *words: str) -> int:
        home = ("--home", str(self.broker_home))
        return await self.programs.run("operator", "broker", *words, *home)

    async def office_runs(self, *words: str) -> int:
        """A command of the merchant's."""
        home = ("--home", str(self.merchant_home))
        return await self.programs.run("office", "merchant", *words, *home)

    def out(self, name: str) -> Path:
        return self.folder / f"{name}-files"

    # ---- what must hold -------------------------------------------------------------------------

    async def check_books(self) -> None:
        """The audit finds nothing, and what was paid in is still somewhere."""
        checks = await self.opened.database.run(audit)
        found = [finding for check in checks for finding in check.findings]
        assert found == [], found
        lines = await self.opened.database.run(lambda conn: list(account_lines(conn)))
        kept = sum(line.balance for line in lines if line.kind != "cash")
        assert kept == self.paid_in, f"{kept} kept of {self.paid_in} paid in"

    async def check_customer(self, name: str, credited: int = CREDIT) -> None:
        """Charged once for every order that is done, and nothing is left half way."""
        orders = self.orders(name)
        assert {order.state for order in orders} <= {"done", "refunded", "abandoned"}, [
            order.state for order in orders
        ]
        done = [order for order in orders if order.state == "done"]
        charged = sum(PRICES[order.file_name] for order in done)
        assert await self.balance(name) == credited - charged
        files = list(self.out(name).iterdir()) if self.out(name).exists() else []
        assert sorted(str(file) for file in files) == sorted(str(o.file_path) for o in done)
        for order in done:
            assert Path(str(order.file_path)).read_bytes() == GOODS[order.file_name]

    async def check_merchant(self) -> None:
        """The merchant's own books say what the broker's say, sooner or later."""
        wanted = await self.opened.database.run(_ended)
        ends = time.monotonic() + WAIT_SECONDS
        while True:
            with open_merchant(self.merchant_home) as market:
                views = market.database.run_now(sales_views)
            counts = {
                state: sum(view.count for view in views if view.state == state)
                for state in ("settled", "refunded")
            }
            if counts == wanted:
                return
            assert time.monotonic() < ends, f"the merchant knows {counts}, the broker {wanted}"
            await asyncio.sleep(0.05)


def _ended(conn: Connection) -> dict[str, int]:
    states = list(conn.execute(select(tables.invoices.c.state)).scalars())
    return {state: states.count(state) for state in ("settled", "refunded")}


def set_up(folder: Path, port: int, database: str | None) -> bytes:
    """Homes of a broker and of a merchant with a small and a large product; its fingerprint."""
    with initialise(folder / "broker", os.urandom, database=database) as opened:
        own = renew_descriptor(opened, unix_now(), os.urandom).newest.public
    home, url = folder / "merchant", f"http://127.0.0.1:{port}"
    fingerprint = create_merchant(home, "stall", url, own, database=database)
    goods = folder / "goods"
    goods.mkdir()
    with open_merchant(home) as market:
        for name, content in GOODS.items():
            (goods / name).write_bytes(content)
            source = (look_at(goods / name),)
            price = PRICES[name]
            add_now(market, source, price=price, now=unix_now(), random=os.urandom, alone=True)
    return fingerprint


@asynccontextmanager
async def running_market(
    folder: Path, database: str | None = None, *, dials: bool = False
) -> AsyncIterator[Market]:
    """Set up and served; `database` is a PostgreSQL URL, or None for SQLite.

    dials: the merchant has no address and keeps a stream to the broker.
    """
    programs = Programs(folder)
    broker = Server(programs, "broker", folder / "broker")
    merchant = Server(programs, "merchant", folder / "merchant")
    fingerprint = await asyncio.to_thread(set_up, folder, broker.port, database)
    async with AsyncExitStack() as stack:
        opened = open_home(folder / "broker")
        stack.push_async_callback(opened.database.aclose)
        stack.push_async_callback(merchant.stop)
        await merchant.start()
        found = await fetch_candidate(opened, f"http://127.0.0.1:{merchant.port}", unix_now())
        address = "" if dials else found.address
        await opened.database.run(merchants.admit, found.descriptor, address)
        stack.push_async_callback(broker.stop)
        await broker.start()
        if dials:
            await merchant.dial()
        yield Market(folder, opened, fingerprint, programs, broker, merchant)
