"""A broker on a home of its own for each test; RSA keys are made once."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker_sessions import begun_session
from tests.support.made_once import made_once
from tests.support.postgres import PostgresServer
from tests.support.scripted_broker import PRICE, START, Clock, ScriptedCustomer, ScriptedMerchant
from veilmart.broker import merchants, settings
from veilmart.broker.audit import audit
from veilmart.broker.effects import Answer
from veilmart.broker.events import Event
from veilmart.broker.home import BrokerHome, initialise, open_home
from veilmart.broker.keys import token_keys
from veilmart.broker.operator import bookkeeping
from veilmart.broker.server.dispatch import answer_request
from veilmart.broker.server.running import RunningBroker, _serve
from veilmart.broker.sessions.session import Session
from veilmart.crypto import identity
from veilmart.protocol import customer_messages as messages
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.transport.server import serve

PASSWORD = "correct horse"


@dataclass
class Market:
    """A broker with one admitted merchant, driven without a network."""

    opened: BrokerHome
    broker: RunningBroker
    merchant: ScriptedMerchant
    clock: Clock
    events: list[Event]
    seeds: dict[bytes, bytes] = field(default_factory=dict)

    def session(self) -> Session:
        session = begun_session(self.broker.state.own.newest.serial, self.clock())
        self.broker.state.sessions.add(session)
        return session

    async def ask(self, session: Session, request: Any) -> Any:
        return (await self.answer(session, request)).message

    async def answer(self, session: Session, request: Any) -> Answer:
        answer: Answer = await self.broker.app.perform(
            answer_request(self.broker.state, session, request)
        )
        return answer

    async def customer(self, name: str, credit: int = 0) -> Session:
        session = self.session()
        await self.ask(session, messages.Register(username=name, password=PASSWORD))
        if credit:
            self.run(bookkeeping.credit, name, credit, False, self.clock())
        return session

    async def offered(self, session: Session, **other: Any) -> bytes:
        """Opens a tunnel and relays an invoice through it; returns the order."""
        start = messages.Start() if session.login is None else None
        number = (
            (await self.ask(session, start)).request_number
            if start
            else session.numbers.hand_out(os.urandom)
        )
        await self.ask(session, self.opening(number))
        seed = os.urandom(32)
        order, self.merchant.invoice = self.merchant.make_invoice(
            seed, **({"pay_by": self.clock() + 900} | other)
        )
        relayed = await self.ask(session, messages.Relay(request_number=number, record=bytes(1100)))
        assert relayed.payable.order == order
        self.seeds[order] = seed
        return order

    def opening(self, number: bytes, merchant: bytes | None = None) -> messages.Open:
        return messages.Open(
            merchant=merchant or self.merchant.fingerprint,
            request_number=number,
            suite=1,
            descriptor=self.merchant.descriptor.hash,
            message=b"message 1",
        )

    def pay(self, order: bytes, amount: int = PRICE) -> messages.Pay:
        return messages.Pay(operation=operation_id(order, "pay"), order=order, amount=amount)

    def act(self, kind: type[Any], order: bytes) -> Any:
        action: Any = kind.__name__.lower()
        return kind(
            operation=operation_id(order, action),
            order=order,
            signature=sign_action(self.seeds[order], order, action),
        )

    def status(self, order: bytes) -> messages.GetStatus:
        signature = sign_action(self.seeds[order], order, "status")
        return messages.GetStatus(order=order, signature=signature)

    def segment(self, order: bytes, index: int = 0) -> messages.GetSegment:
        signature = sign_action(self.seeds[order], order, "segment", index)
        return messages.GetSegment(order=order, index=index, signature=signature)

    def run(self, transaction: Any, *args: Any) -> Any:
        return self.opened.database.run_now(transaction, *args)

    def check_books(self) -> None:
        assert [check for check in self.run(audit) if not check.holds] == []


@pytest.fixture(scope="session")
def merchant_key() -> identity.IdentityKey:
    return identity.generate_identity()


@pytest.fixture(scope="session")
def other_key() -> identity.IdentityKey:
    return identity.generate_identity()


@pytest.fixture(scope="session")
def template() -> Path:
    return made_once("broker", make_home) / "home"


def make_home(folder: Path) -> None:
    """Of a broker with its token keys."""
    with initialise(folder / "home", os.urandom) as opened:
        run = opened.database.run_now
        token_keys.make_missing(run, run(token_keys.missing, START))


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "broker"
    shutil.copytree(template, copy)
    return copy


def copy_template(home: Path, opened: BrokerHome) -> None:
    """Settings and token keys of the SQLite home into an empty database."""
    with open_home(home) as template:
        defaults = template.database.run_now(settings.load)
        keys = template.database.run_now(token_keys.load_keys)
        rows = template.database.run_now(token_keys.living)
    opened.database.run_now(settings.replace, defaults)
    for row in rows:
        known = keys.find(row.id)
        assert known is not None
        opened.database.run_now(token_keys.store_key, row.price, row.epoch, known.secret)


@pytest.fixture(scope="session")
def postgres_template(
    template: Path, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The URL of a database with the tables, settings and token keys of the template."""
    home = tmp_path_factory.mktemp("postgres") / "broker"
    shutil.copytree(template, home)
    url = postgres_server.new_database()
    with open_home(home, url) as opened:
        copy_template(home, opened)
    return url


@pytest.fixture
def opened(
    home: Path, database_url: str | None, request: pytest.FixtureRequest
) -> Iterator[BrokerHome]:
    if database_url is not None:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.become_copy(database_url, request.getfixturevalue("postgres_template"))
    with open_home(home, database_url) as opened:
        yield opened


@pytest.fixture
async def market(opened: BrokerHome, merchant_key: identity.IdentityKey) -> AsyncIterator[Market]:
    merchant = ScriptedMerchant(merchant_key, opened.fingerprint)
    opened.database.run_now(merchants.admit, merchant.descriptor, "127.0.0.1:9")
    clock, events = Clock(), list[Event]()
    broker = RunningBroker(opened, clock, os.urandom, events.append)
    broker.links.ask = merchant.ask  # type: ignore[assignment, method-assign]
    yield Market(opened, broker, merchant, clock, events)
    await broker.aclose()


@dataclass
class Served:
    """A broker and a merchant, each on a port of this machine."""

    port: int
    broker: RunningBroker
    merchant: ScriptedMerchant
    merchant_port: int
    clock: Clock
    events: list[Event]
    opened: BrokerHome
    customers: list[ScriptedCustomer] = field(default_factory=list)

    async def customer(self, suite_index: int = 0) -> ScriptedCustomer:
        customer = ScriptedCustomer(self.port)
        self.customers.append(customer)
        await customer.connect(suite_index)
        return customer


@asynccontextmanager
async def listening(run: Any) -> AsyncIterator[int]:
    """`run(on_started, stop)` served in a task."""
    stop = asyncio.Event()
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run(started.set_result, stop))
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield started.result()
    finally:
        stop.set()
        await task


@pytest.fixture
async def served(opened: BrokerHome, merchant_key: identity.IdentityKey) -> AsyncIterator[Served]:
    merchant = ScriptedMerchant(merchant_key, opened.fingerprint)
    app = merchant.asgi()
    clock, events = Clock(), list[Event]()

    async def run_merchant(started: Any, stop: asyncio.Event) -> None:
        await serve(app, "127.0.0.1", 0, on_started=started, stop=stop, stop_seconds=1)

    async with listening(run_merchant) as merchant_port:
        address = f"127.0.0.1:{merchant_port}"
        opened.database.run_now(merchants.admit, merchant.descriptor, address)
        broker = RunningBroker(opened, clock, os.urandom, events.append)

        async def run_broker(started: Any, stop: asyncio.Event) -> None:
            await _serve(broker, "127.0.0.1", 0, stop, started)

        async with listening(run_broker) as port:
            served = Served(port, broker, merchant, merchant_port, clock, events, opened)
            yield served
            for customer in served.customers:
                await customer.http.aclose()
