"""Folding a month among many, with purchases going on: `python -m bench folding`.

A twelfth of the orders is folded. Purchases without and beside it are measured in turns, so that
whatever else the machine does meets both. `ORDERS=1200000 ENGINES=sqlite AUDIT_SECONDS=60
FOLD_SECONDS=600 python -m bench folding` takes other books than the default, and ends the audit
after a minute and folding after ten.
"""

import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from tests.support.broker_sessions import begun_session
from tests.support.postgres import PostgresServer
from tests.support.scripted_broker import PRICE, SHELF

from bench.old_books import OldBooks
from veilmart.broker.accounts.customers import find_customer
from veilmart.broker.audit.findings import Breather
from veilmart.broker.escrow.invoices import add_invoice
from veilmart.broker.home import BrokerHome, initialise
from veilmart.broker.ledger.booking import balance_of
from veilmart.broker.ledger.folded_sums import is_folded
from veilmart.broker.maintenance import fold_months
from veilmart.broker.maintenance.folding import Due, audit_due, fold_until
from veilmart.broker.operator import bookkeeping
from veilmart.broker.schema import tables
from veilmart.broker.server.dispatch import answer_request
from veilmart.broker.server.running import RunningBroker
from veilmart.broker.sessions.session import Login, Session
from veilmart.crypto import signing
from veilmart.crypto.identity import sign_pss
from veilmart.protocol import customer_messages as messages, labels
from veilmart.protocol.offer import Invoice
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.terminal.clock import unix_now

ORDERS = 120_000
TURN_SECONDS = float(os.environ.get("TURN_SECONDS", "10"))
REST_TURN = 0.3
"""Of a turn, without the work: most of the time it goes on."""
AUDIT_SECONDS = 60.0
BUYERS = 4
Row = dict[str, Any]


class Turns:
    """Lets work go on for one turn and holds it up for the next one."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.may_rest = threading.Event()
        self.seconds = 0.0
        self.log_bytes = 0

    async def take(self, opened: BrokerHome, work: Callable[[], Awaitable[object]]) -> None:
        """seconds: that the work took, without the other turns. log_bytes: the most."""
        task = asyncio.ensure_future(work())
        while not task.done():
            # What cannot be held up, like copying a file, is one long turn.
            for on in (True, False) if self.may_rest.is_set() else (True,):
                if on:
                    self.goes_on.set()
                else:
                    self.goes_on.clear()
                began, turn = time.perf_counter(), TURN_SECONDS * (1 if on else REST_TURN)
                while time.perf_counter() - began < turn and not (on and task.done()):
                    self.log_bytes = max(self.log_bytes, opened.database.log_bytes)
                    await asyncio.sleep(0.05)
                self.seconds += (time.perf_counter() - began) * on
        self.goes_on.set()
        await task


class Enough(Exception):
    """The audit went on for long enough."""


class Purchases:
    """Buyers of one account, one purchase after another: pay, release, acknowledge."""

    def __init__(self, opened: BrokerHome, broker: RunningBroker, books: OldBooks) -> None:
        self._opened = opened
        self._broker = broker
        self._books = books
        found = opened.database.run_now(find_customer, "c0")
        assert found is not None
        self._account = found.account
        self.beside: list[float] = []
        self.quiet: list[float] = []
        self._turns = Turns()

    async def during(self, work: Callable[[Turns], Awaitable[object]]) -> Turns:
        """Buy while `work` is done in turns; `beside` and `quiet` say how long each took."""
        self.beside, self.quiet, self._turns = [], [], Turns()
        buyers = [asyncio.create_task(self._buy()) for _ in range(BUYERS)]
        try:
            await self._turns.take(self._opened, lambda: work(self._turns))
        finally:
            for buyer in buyers:
                buyer.cancel()
            await asyncio.gather(*buyers, return_exceptions=True)
        return self._turns

    async def _buy(self) -> None:
        session = self._session()
        while True:
            seed, order = os.urandom(32), os.urandom(32)
            invoice = self._invoice(order, seed)
            signed = self._books.sign(invoice)
            await self._opened.database.run(add_invoice, invoice, signed)
            began, beside = time.perf_counter(), self._turns.goes_on.is_set()
            pay = messages.Pay(operation=operation_id(order, "pay"), order=order, amount=PRICE)
            await self._ask(session, pay)
            for kind, action in (
                (messages.Release, "release"),
                (messages.Acknowledge, "acknowledge"),
            ):
                signature = sign_action(seed, order, action)  # type: ignore[arg-type]
                name = operation_id(order, action)
                await self._ask(session, kind(operation=name, order=order, signature=signature))
            if beside == self._turns.goes_on.is_set():
                (self.beside if beside else self.quiet).append(time.perf_counter() - began)
            await asyncio.sleep(0.01)

    async def _ask(self, session: Session, request: Any) -> None:
        await self._broker.app.perform(answer_request(self._broker.state, session, request))

    def _session(self) -> Session:
        session = begun_session(self._broker.state.own.newest.serial, unix_now())
        session.login = Login(self._account, "c0", bytes(32))
        return session

    def _invoice(self, order: bytes, seed: bytes) -> Invoice:
        return Invoice(
            merchant=self._books.merchant.fingerprint,
            broker=self._opened.fingerprint,
            order=order,
            suite=1,
            amount=PRICE,
            order_key=signing.public_key(seed),
            sealed_key=bytes(64),
            pay_by=unix_now() + SHELF.pay_within,
            deliver_within=SHELF.deliver_within,
            settle_within=SHELF.settle_within,
        )


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] * 1000


async def measure(folder: Path, orders: int, database: str | None = None) -> dict[str, Row]:
    """Of each phase: milliseconds of purchases, seconds, and the largest write-ahead log."""
    with initialise(folder / "broker", os.urandom, database=database) as opened:
        broker = RunningBroker(opened, unix_now, os.urandom, lambda _event: None)
        books = OldBooks(opened, unix_now())
        began = time.perf_counter()
        books.fill(orders)
        print(f"{orders} orders made in {time.perf_counter() - began:.0f} s", flush=True)
        run = opened.database.run_now
        run(bookkeeping.credit, "c0", 100_000_000, False, unix_now())
        purchases = Purchases(opened, broker, books)
        found: dict[str, Row] = {}
        for name, phase in (("auditing", audited), ("folding", folded)):
            before = run(balance_of, 1)
            said: Row = {}
            turns = await purchases.during(lambda turns, do=phase, to=said: do(opened, turns, to))  # type: ignore[misc]
            assert run(balance_of, 1) == before
            found[name] = {
                "quiet_p99_ms": round(p99(purchases.quiet), 1),
                "beside_p99_ms": round(p99(purchases.beside), 1),
                "purchases": [len(purchases.quiet), len(purchases.beside)],
                "seconds": round(turns.seconds, 1),
                "log_mb": round(turns.log_bytes / 1e6, 1),
                **said,
            }
            print(name, found[name], flush=True)
        await broker.aclose()
    return found


async def audited(opened: BrokerHome, turns: Turns, said: Row) -> None:
    """Audit as the broker does before it folds, for AUDIT_SECONDS at most."""
    began, breathe = time.perf_counter(), Breather(time.monotonic, time.sleep)
    most = float(os.environ.get("AUDIT_SECONDS", AUDIT_SECONDS))
    checked = 0

    def pace() -> None:
        nonlocal checked
        if not checked:
            said["copied_seconds"] = round(time.perf_counter() - began, 1)
        checked += 1
        turns.may_rest.set()
        turns.goes_on.wait()
        if turns.seconds > most:
            raise Enough
        breathe()

    try:
        await asyncio.to_thread(opened.database.read_long, audit_due, _then(), pace)
    except Enough:
        said["ended"] = "before its end"
    said["rows"] = checked


async def folded(opened: BrokerHome, turns: Turns, said: Row) -> None:
    """Fold the first month: it was audited before, or its audit is not what is measured."""
    turns.may_rest.set()
    due = await asyncio.to_thread(opened.database.read_now, _due)

    most = float(os.environ.get("FOLD_SECONDS", "inf"))

    def sign(body: bytes) -> bytes:
        turns.goes_on.wait()
        if turns.seconds > most:
            raise Enough
        return sign_pss(opened.identity, labels.AUDIT, body)

    try:
        said["transactions"] = await fold_months.fold_months(
            opened.database, opened.fingerprint, due, sign, time.monotonic
        )
    except Enough:
        said["ended"] = "before its end"
    orders = select(func.count()).where(is_folded)
    said["orders_folded"] = opened.database.run_now(lambda conn: conn.execute(orders).scalar_one())
    of_folds = tables.postings.join(tables.transactions)
    fold = select(func.count()).select_from(of_folds).where(tables.transactions.c.kind == "fold")
    said["postings_left"] = opened.database.run_now(lambda conn: conn.execute(fold).scalar_one())


def _due(conn: Connection) -> Due:
    until = fold_until(_then())
    ended = select(func.max(tables.transactions.c.id)).where(tables.transactions.c.at < until)
    return Due(until, conn.execute(ended).scalar_one(), ["benched"])


def _then() -> int:
    """The first of the twelve months has just been over for long enough."""
    return unix_now() - 10 * 30 * 24 * 3600


def rows() -> list[Row]:
    orders = int(os.environ.get("ORDERS", ORDERS))
    engines = os.environ.get("ENGINES", "sqlite postgresql").split()
    return [row for engine in engines for row in _rows(engine, orders)]


def _rows(engine: str, orders: int) -> list[Row]:
    with ExitStack() as stack:
        folder, url = Path(stack.enter_context(tempfile.TemporaryDirectory())), None
        if engine == "postgresql":
            server = PostgresServer(durable=True)
            stack.callback(server.remove)
            url = server.new_database()
        found = asyncio.run(measure(folder, orders, url))
    return [
        {
            "name": f"{engine}, {phase}: purchases' p99 to that without it, {orders} orders",
            "figure": round(row["beside_p99_ms"] / row["quiet_p99_ms"], 2),
            "reach": 2,
            "at_most": True,
            **row,
        }
        for phase, row in found.items()
    ]
