"""Folding a month among many, with purchases going on: `python -m bench folding`.

`ORDERS=1200000 ENGINES=sqlite python -m bench folding` takes other books than the default: a
twelfth of the orders is folded.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.postgres import PostgresServer

from bench.old_books import PRICE, SHELF, OldBooks
from veilmart.broker.accounts.customers import find_customer
from veilmart.broker.audit.findings import Breather
from veilmart.broker.escrow.invoices import add_invoice
from veilmart.broker.home import BrokerHome, initialise
from veilmart.broker.ledger.booking import balance_of
from veilmart.broker.maintenance import fold_months
from veilmart.broker.maintenance.folding import Due, audit_due
from veilmart.broker.operator import bookkeeping
from veilmart.broker.server.dispatch import answer_request
from veilmart.broker.server.running import RunningBroker
from veilmart.broker.sessions.session import Login, Session, expiry
from veilmart.crypto import signing
from veilmart.crypto.identity import sign_pss
from veilmart.crypto.suite import all_suites
from veilmart.protocol import customer_messages as messages, labels
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.offer import Invoice
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.terminal.clock import unix_now

ORDERS = 120_000
QUIET_SECONDS = 10.0
BUYERS = 4
Row = dict[str, Any]


class Purchases:
    """Buyers of one account, one purchase after another: pay, release, acknowledge."""

    def __init__(self, opened: BrokerHome, broker: RunningBroker, books: OldBooks) -> None:
        self._opened = opened
        self._broker = broker
        self._books = books
        found = opened.database.run_now(find_customer, "c0")
        assert found is not None
        self._account = found.account
        self.seconds: list[float] = []

    async def during(self, work: Callable[[], Awaitable[object]]) -> list[float]:
        """How long each purchase took while `work` was done."""
        self.seconds = []
        buyers = [asyncio.create_task(self._buy()) for _ in range(BUYERS)]
        try:
            await work()
        finally:
            for buyer in buyers:
                buyer.cancel()
            await asyncio.gather(*buyers, return_exceptions=True)
        return self.seconds

    async def _buy(self) -> None:
        session = self._session()
        while True:
            seed, order = os.urandom(32), os.urandom(32)
            invoice = self._invoice(order, seed)
            signed = self._books.sign(invoice)
            await self._opened.database.run(add_invoice, invoice, signed)
            began = time.perf_counter()
            pay = messages.Pay(operation=operation_id(order, "pay"), order=order, amount=PRICE)
            await self._ask(session, pay)
            for kind, action in (
                (messages.Release, "release"),
                (messages.Acknowledge, "acknowledge"),
            ):
                signature = sign_action(seed, order, action)  # type: ignore[arg-type]
                name = operation_id(order, action)
                await self._ask(session, kind(operation=name, order=order, signature=signature))
            self.seconds.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)

    async def _ask(self, session: Session, request: Any) -> None:
        await self._broker.app.perform(answer_request(self._broker.state, session, request))

    def _session(self) -> Session:
        keys = SessionKeys(
            session_id=os.urandom(16),
            suite=all_suites()[0],
            request_key=bytes(32),
            answer_key=bytes(32),
            exporter=bytes(32),
            handshake_hash=bytes(32),
        )
        session = Session(keys, self._broker.state.own.newest.serial, expiry(unix_now()))
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


async def measure(folder: Path, orders: int, database: str | None = None) -> Row:
    """Milliseconds of purchases in quiet, while auditing, while folding; seconds of both."""
    with initialise(folder / "broker", os.urandom, database=database) as opened:
        broker = RunningBroker(opened, unix_now, os.urandom, lambda _event: None)
        books = OldBooks(opened, unix_now())
        began = time.perf_counter()
        books.fill(orders)
        print(f"{orders} orders made in {time.perf_counter() - began:.0f} s", flush=True)
        run = opened.database.run_now
        run(bookkeeping.credit, "c0", 100_000_000, False, unix_now())
        purchases = Purchases(opened, broker, books)
        quiet = await purchases.during(lambda: asyncio.sleep(QUIET_SECONDS))
        found: list[Due | None] = []
        took: dict[str, float] = {}

        async def audited() -> None:
            began, pace = time.perf_counter(), Breather(time.monotonic, time.sleep)
            # The first of the twelve months has just been over for long enough.
            found.append(await asyncio.to_thread(opened.database.read_now, _audit, pace))
            took["audit"] = time.perf_counter() - began

        async def folded() -> None:
            began, due = time.perf_counter(), found[0]
            assert due is not None
            sign = lambda body: sign_pss(opened.identity, labels.AUDIT, body)  # noqa: E731
            count = await fold_months.fold_months(
                opened.database, opened.fingerprint, due, sign, time.monotonic
            )
            took["fold"], took["transactions"] = time.perf_counter() - began, count

        before = run(balance_of, 1)
        auditing = await purchases.during(audited)
        folding = await purchases.during(folded)
        assert run(balance_of, 1) == before
        await broker.aclose()
    return {
        "quiet_p99_ms": round(p99(quiet), 1),
        "auditing_p99_ms": round(p99(auditing), 1),
        "folding_p99_ms": round(p99(folding), 1),
        "purchases": [len(quiet), len(auditing), len(folding)],
        **{name: round(value, 1) for name, value in took.items()},
    }


def _audit(conn: Any, pace: Breather) -> Due | None:
    return audit_due(conn, unix_now() - 10 * 30 * 24 * 3600, pace)


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
    quiet = found["quiet_p99_ms"]
    return [
        {
            "name": f"{engine}, {phase}: purchases' p99 to that in quiet, {orders} orders",
            "figure": round(found[f"{phase}_p99_ms"] / quiet, 2),
            "reach": 2,
            "at_most": True,
            **found,
        }
        for phase in ("auditing", "folding")
    ]
