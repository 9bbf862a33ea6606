"""A market that lives for months in one process: a real broker and database, a scripted merchant.

Time is virtual. A step is five days: the merchant makes a new descriptor, people buy, the broker
does its duties. Clocks step, and the broker's process dies and starts again.
"""

import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from tests.broker.conftest import Market
from tests.broker.scripted import Clock, ScriptedMerchant
from veilmart.broker import merchants
from veilmart.broker.audit import audit
from veilmart.broker.home import BrokerHome
from veilmart.broker.maintenance.upkeep import SELDOM_EVERY_ROUNDS, confirm_clock
from veilmart.broker.operator import bookkeeping
from veilmart.broker.schema import tables
from veilmart.broker.server.running import RunningBroker
from veilmart.broker.sessions.session import Session
from veilmart.crypto.identity import generate_identity
from veilmart.errors import ClockInDoubt
from veilmart.protocol import customer_messages as messages

DAY = 24 * 3600
STEPS = 6
STEP_DAYS = 5
CUSTOMERS = 20
CREDIT = 10**9
CLOCK_STEPS = (-3600, -1, 1, 200)


@dataclass
class Month:
    """cpu_ms, wall_ms: of one purchase on average. rows: of tables that folding keeps short."""

    purchases: int
    cpu_ms: float
    wall_ms: float
    rows: dict[str, int]


@dataclass
class Life:
    """A market and what was measured of it."""

    opened: BrokerHome
    random: random.Random
    months: list[Month] = field(default_factory=list)
    deaths: int = 0
    clock_steps: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock()
        self._up = 0.0
        merchant = ScriptedMerchant(generate_identity(), self.opened.fingerprint)
        self.opened.database.run_now(merchants.admit, merchant.descriptor, "127.0.0.1:9")
        self.market = Market(self.opened, self._start(merchant), merchant, self.clock, [])
        self._people: list[Session] = []

    def _start(self, merchant: ScriptedMerchant) -> RunningBroker:
        broker = RunningBroker(
            self.opened, self.clock, os.urandom, lambda _event: None, elapsed=lambda: self._up
        )
        broker.links.ask = merchant.ask  # type: ignore[assignment, method-assign]
        return broker

    async def open_accounts(self) -> None:
        for number in range(CUSTOMERS):
            name = f"customer {number}"
            self._people.append(await self.market.customer(name))
            self.market.run(bookkeeping.credit, name, CREDIT, False, self.clock())

    async def month(self, purchases: int) -> None:
        """Thirty days with so many purchases."""
        cpu = wall = 0.0
        for step in range(STEPS):
            await self._five_days()
            count = purchases * (step + 1) // STEPS - purchases * step // STEPS
            began, busy = time.perf_counter(), time.process_time()
            for _ in range(count):
                await self._purchase()
            cpu += time.process_time() - busy
            wall += time.perf_counter() - began
            if self.random.random() < 0.5:
                self.clock.now += self.random.choice(CLOCK_STEPS)
                self.clock_steps += 1
        await self._die()
        each = 1000 / max(1, purchases)
        rows = {
            table.name: self.market.run(
                lambda conn, t=table: conn.execute(select(func.count()).select_from(t)).scalar_one()
            )
            for table in (tables.transactions, tables.postings, tables.operations)
        }
        self.months.append(Month(purchases, cpu * each, wall * each, rows))

    async def close(self) -> list[str]:
        """Let every deadline pass; what the audit finds then."""
        await self._five_days()
        await self.market.broker.aclose()
        return [
            f"{found.name}: {found.row}: {found.what}"
            for check in self.opened.database.read_now(audit, self.opened.fingerprint)
            for found in check.findings
        ]

    async def _five_days(self) -> None:
        market, merchant = self.market, self.market.merchant
        self.clock.now += STEP_DAYS * DAY
        self._up += STEP_DAYS * DAY
        merchant.since = self.clock.now
        merchant.renew()
        for _ in range(SELDOM_EVERY_ROUNDS):
            try:
                await market.broker.sweep()
            except ClockInDoubt:
                # The operator has looked at the clock that stepped.
                market.run(confirm_clock, self.clock())
                await market.broker.look()
        await market.broker.look()
        asked = messages.GetMerchant(fingerprint=merchant.fingerprint, serial=0)
        await market.ask(market.session(), asked)

    async def _die(self) -> None:
        """The broker's process ends and another one takes its place."""
        await self.market.broker.aclose()
        self.market.broker = self._start(self.market.merchant)
        self.deaths += 1

    async def _purchase(self) -> None:
        """Bought and acknowledged; of a hundred some are cancelled, left alone, or never paid."""
        market, fate = self.market, self.random.random()
        session = market.session()
        session.login = self.random.choice(self._people).login
        order = await market.offered(session)
        if fate < 0.03:
            return
        await market.ask(session, market.pay(order))
        if fate < 0.06:
            return
        if fate < 0.1:
            await market.ask(session, market.act(messages.Cancel, order))
            return
        await market.ask(session, market.act(messages.Release, order))
        if fate > 0.12:
            await market.ask(session, market.act(messages.Acknowledge, order))
        market.seeds.pop(order, None)
        market.broker.state.sessions.drop(session)


def size_bytes(home: Path) -> int:
    """Of the database's files."""
    return sum(file.stat().st_size for file in home.glob("broker.sqlite*"))
