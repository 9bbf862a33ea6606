"""A whole market inside the test's event loop, with a proxy on each of its two HTTP links.

customer → `outside` → broker → `inside` → merchant. The roles are the ones that `veilmart ROLE run`
serves; only the processes are missing, which makes a market start in a fraction of a second.
"""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from sqlalchemy import Connection, select

from tests.support.made_once import made_once
from tests.support.tampering_proxy import TamperingProxy, tampering_proxy
from veilmart.broker import merchants
from veilmart.broker.audit import audit
from veilmart.broker.events import Event as BrokerEvent
from veilmart.broker.home import BrokerHome, initialise, open_home, renew_descriptor
from veilmart.broker.operator.admission import fetch_candidate
from veilmart.broker.operator.bookkeeping import account_lines, credit
from veilmart.broker.relay.links import LinkPool
from veilmart.broker.schema import tables
from veilmart.broker.server.running import serve_opened
from veilmart.crypto.suite import Suite
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.events import Observer, ignore
from veilmart.customer.trust.descriptors import Approve, refuse
from veilmart.customer.trust.pins import current_broker
from veilmart.customer.wallet.orders import all_orders
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.errors import VeilmartError
from veilmart.merchant.cli.views import sales_views
from veilmart.merchant.events import Event as MerchantEvent
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.merchant.server.running import serve_merchant
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import look_at
from veilmart.protocol.address import Link
from veilmart.protocol.catalogue import Product
from veilmart.protocol.descriptor import Descriptor, SignedDescriptor, read_descriptor
from veilmart.storage.database.port import Database

PASSWORD = "correct horse battery"
PRICE = 500
CREDIT = 1_000_00
GOODS = {"june.txt": b"The stars of June.\n", "july.txt": b"The stars of July.\n" * 3}
WAIT_SECONDS = 120


@dataclass
class Clock:
    """Unix seconds of the whole market; `ahead` moves it."""

    ahead: int = 0

    def __call__(self) -> int:
        return int(time.time()) + self.ahead


@dataclass(frozen=True)
class Template:
    """Homes of a broker and a merchant with two products, made once and copied."""

    broker: Path
    merchant: Path
    merchant_print: bytes


def prepared_template() -> Template:
    """The template that all tests of a run share."""

    def make(folder: Path) -> None:
        (folder / "print").write_bytes(make_template(folder, Clock()).merchant_print)

    folder = made_once("roles", make)
    return Template(folder / "broker", folder / "merchant", (folder / "print").read_bytes())


def make_template(folder: Path, clock: Clock) -> Template:
    """Homes that a market in one loop is copied from."""
    broker_home, merchant_home = folder / "broker", folder / "merchant"
    with initialise(broker_home, os.urandom) as opened:
        own = renew_descriptor(opened, clock(), os.urandom).newest.public
    fingerprint = create_merchant(merchant_home, "stall", "http://127.0.0.1:9", own)
    goods = folder / "goods"
    goods.mkdir()
    for name, content in GOODS.items():
        (goods / name).write_bytes(content)
    sources = tuple(look_at(goods / name) for name in GOODS)
    with open_merchant(merchant_home) as market:
        add_now(market, sources, price=PRICE, now=clock(), random=os.urandom)
    return Template(broker_home, merchant_home, fingerprint)


class Role(Protocol):
    """A broker or merchant that can be started and stopped. address: host:port while it runs."""

    address: str

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Served:
    """A role that is being served in this event loop; can be stopped and started again."""

    def __init__(self, begin: Callable[..., Coroutine[Any, Any, None]]) -> None:
        self._begin = begin
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.address = ""

    async def start(self) -> None:
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(
            self._begin(stop=self._stop, on_started=started.set_result)
        )
        async with asyncio.timeout(WAIT_SECONDS):
            while not started.done():
                if self._task.done():
                    await self._task
                await asyncio.sleep(0.005)
        self.address = f"127.0.0.1:{await started}"

    async def stop(self) -> None:
        self._stop.set()
        if self._task is not None:
            await self._task


@dataclass
class Roles:
    """The running market. `credited`: what was paid in, minor units."""

    folder: Path
    clock: Clock
    opened: BrokerHome
    merchant_home: Path
    merchant_print: bytes
    outside: TamperingProxy
    inside: TamperingProxy
    broker: Role
    merchant: Role
    closing: AsyncExitStack
    broker_told: list[BrokerEvent] = field(default_factory=list)
    merchant_told: list[MerchantEvent] = field(default_factory=list)
    links: list[LinkPool] = field(default_factory=list)
    credited: int = 0
    wallets: dict[str, Wallet] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.opened.database

    @property
    def link(self) -> Link:
        host, _, port = self.outside.address.partition(":")
        return Link(host, int(port), self.opened.fingerprint, self.merchant_print, None)

    def wallet(self, name: str, clock: Callable[[], int] | None = None) -> Wallet:
        """The wallet of this name, made when first asked for."""
        if name not in self.wallets:
            opened = open_wallet(self.folder / name, clock or self.clock, os.urandom)
            self.closing.push_async_callback(opened.aclose)
            self.wallets[name] = opened
        return self.wallets[name]

    def opened_descriptor(self) -> SignedDescriptor:
        """The broker's newest."""
        return renew_descriptor(self.opened, self.clock(), os.urandom).newest.public

    def wallet_broker(self, name: str) -> SignedDescriptor:
        """The broker's descriptor as this wallet saw it last."""
        pin = self.wallet(name).database.run_now(current_broker)
        assert pin is not None
        return read_descriptor(pin.descriptor)

    def renew_link(self) -> None:
        """The broker makes its link with the merchant anew."""
        self.links[-1].renew()

    async def pay_in(self, name: str, amount: int) -> None:
        await self.database.run(credit, name, amount, False, self.clock())
        self.credited += amount

    async def connect(
        self,
        name: str,
        *,
        suite: Suite | None = None,
        observe: Observer = ignore,
        approve: Approve = refuse,
    ) -> Shopper:
        """A new connection; logged in when this wallet has logged in before."""
        shopper = await connect(
            self.wallet(name), self.link, suite=suite, observe=observe, approve=approve
        )
        self.closing.push_async_callback(shopper.aclose)
        return shopper

    async def customer(
        self, name: str, *, amount: int = CREDIT, suite: Suite | None = None
    ) -> Shopper:
        """Registered, logged in, with money."""
        shopper = await self.connect(name, suite=suite)
        await shopper.account.register(name, PASSWORD)
        if amount:
            await self.pay_in(name, amount)
        return shopper

    # ---- what is true afterwards -----------------------------------------------------------

    async def balance(self, name: str) -> int:
        lines = await self.database.run(lambda conn: list(account_lines(conn)))
        return next(line.balance for line in lines if line.name == name)

    async def check_books(self) -> None:
        """The audit finds nothing, and every minor unit that was paid in is still somewhere."""
        checks = await self.database.run(audit)
        assert [finding for check in checks for finding in check.findings] == []
        await self.check_sums()

    async def check_sums(self) -> None:
        """Every minor unit that was paid in is still somewhere. Cheap, for after each step."""
        lines = await self.database.run(lambda conn: list(account_lines(conn)))
        kept = sum(line.balance for line in lines if line.kind != "cash")
        assert kept == self.credited

    async def check_customer(self, name: str) -> None:
        """Charged for exactly the orders that are done, and nothing is left half way."""
        orders = await self.wallet(name).database.run(all_orders)
        states = [order.state for order in orders]
        assert set(states) <= {"done", "refunded", "abandoned"}
        assert await self.balance(name) == CREDIT - PRICE * states.count("done")
        for order in orders:
            if order.state == "done":
                assert order.file_path is not None
                assert Path(order.file_path).read_bytes() == GOODS[order.file_name]

    async def merchant_hears_of_all(self) -> None:
        """The merchant's own books say what the broker's say, sooner or later."""
        settled = (await self.states()).count("settled")
        ends = time.monotonic() + WAIT_SECONDS
        while True:
            with open_merchant(self.merchant_home) as market:
                views = await market.database.run(sales_views)
            counts = sum(view.count for view in views if view.state == "settled")
            if counts == settled:
                return
            assert time.monotonic() < ends, views
            await asyncio.sleep(0.02)

    async def states(self) -> list[str]:
        """Of the broker's invoices."""

        def read(conn: Connection) -> list[str]:
            return list(conn.execute(select(tables.invoices.c.state)).scalars())

        return await self.database.run(read)


@contextmanager
def preferring(suite: Suite) -> Iterator[None]:
    """As if every descriptor named this suite alone: a link takes the first one, and no other."""
    with patch.object(Descriptor, "suites", lambda descriptor: [suite]):
        yield


def product_of(menu: Menu, name: str) -> Product:
    return next(product for product in menu.products if product.file_name == name)


@asynccontextmanager
async def running_roles(
    template: Template, folder: Path, *, streams: bool = True
) -> AsyncIterator[Roles]:
    """Copies of the template, served in this event loop on free ports, admitted and linked.

    streams: False where everything is to go by POST.
    """
    clock = Clock()
    broker_told: list[BrokerEvent] = []
    merchant_told: list[MerchantEvent] = []
    links: list[LinkPool] = []
    common = {"host": "127.0.0.1", "port": 0, "clock": clock, "random": os.urandom}

    def make(
        opened: BrokerHome, merchant_home: Path, _outside: object, _inside: object
    ) -> tuple[Role, Role]:
        async def begin_merchant(**more: Any) -> None:
            observe = merchant_told.append
            await serve_merchant(merchant_home, observe=observe, **common, **more)  # type: ignore[arg-type]

        async def begin_broker(**more: Any) -> None:
            observe = broker_told.append

            def keep(*parts: Any) -> LinkPool:
                links.append(LinkPool(*parts))
                return links[-1]

            with patch("veilmart.broker.server.running.LinkPool", keep):
                await serve_opened(opened, observe=observe, **common, **more)  # type: ignore[arg-type]

        return Served(begin_broker), Served(begin_merchant)

    async with linked_roles(template, folder, clock, make, streams=streams) as roles:
        roles.broker_told, roles.merchant_told, roles.links = broker_told, merchant_told, links
        yield roles


@asynccontextmanager
async def linked_roles(
    template: Template,
    folder: Path,
    clock: Clock,
    make: Callable[[BrokerHome, Path, TamperingProxy, TamperingProxy], tuple[Role, Role]],
    *,
    streams: bool = True,
) -> AsyncIterator[Roles]:
    """Copies of the template behind proxies, admitted and linked.

    make: broker and merchant, from the broker's opened home, the merchant's folder and the proxies
    before the broker and the merchant.
    """
    broker_home, merchant_home = folder / "broker", folder / "merchant"
    shutil.copytree(template.broker, broker_home)
    shutil.copytree(template.merchant, merchant_home)
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(tampering_proxy(streams=streams))
        inside = await stack.enter_async_context(tampering_proxy(streams=streams))
        opened = open_home(broker_home)
        stack.push_async_callback(opened.database.aclose)
        broker, merchant = make(opened, merchant_home, outside, inside)
        stack.push_async_callback(merchant.stop)
        await merchant.start()
        inside.target = merchant.address
        found = await fetch_candidate(opened, f"http://{inside.address}", clock())
        await opened.database.run(merchants.admit, found.descriptor, found.address)
        stack.push_async_callback(broker.stop)
        await broker.start()
        outside.target = broker.address
        closing = await stack.enter_async_context(AsyncExitStack())
        yield Roles(
            folder,
            clock,
            opened,
            merchant_home,
            template.merchant_print,
            outside,
            inside,
            broker,
            merchant,
            closing,
        )


def told(error: VeilmartError, *, code: int, money: str = "No money moved.") -> None:
    """What a person reads: what happened, whether money moved, what to do next."""
    assert error.code == code, error.explain()
    lines = error.explain().splitlines()
    assert lines[0].startswith(error.summary) and lines[0].endswith(f"(error {code})")
    assert lines[1:] == [line for line in (money, error.hint) if line] and error.hint
