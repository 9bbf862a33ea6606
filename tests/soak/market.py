"""A market that lives for months in one process: a real broker and database, scripted merchants.

Time is virtual. A step is five days: merchants make new descriptors, people buy, the broker does
its duties. Clocks step, the broker's process dies between and within its steps, backups are
restored, merchants come and go.
"""

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import func, select, text

from tests.soak.mortal import Died, MortalStore
from tests.support.broker_market import PASSWORD, Market
from tests.support.scripted_broker import PRICE, Clock, ScriptedMerchant
from tests.support.token_wallet import TokenWallet
from veilmart.broker import merchants
from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.audit import audit
from veilmart.broker.backup_layout import LAYOUT
from veilmart.broker.home import BrokerHome, open_home
from veilmart.broker.keys import token_keys
from veilmart.broker.maintenance.upkeep import SELDOM_EVERY_ROUNDS, confirm_clock
from veilmart.broker.operator import bookkeeping
from veilmart.broker.schema import tables
from veilmart.broker.server.running import RunningBroker
from veilmart.broker.sessions.session import Session
from veilmart.crypto.identity import IdentityKey, generate_identity, sign_pss
from veilmart.errors import ClockInDoubt
from veilmart.protocol import customer_messages as messages
from veilmart.storage.backup.backup import back_up
from veilmart.storage.backup.restore import restore

DAY = 24 * 3600
STEPS = 6
STEP_DAYS = 5
CUSTOMERS = 20
CREDIT = 10**9
CLOCK_STEPS = (-3600, -1, 1, 200)
MERCHANTS = 3
COMES_AND_GOES_EVERY_MONTHS = 3
RESTORED_EVERY_MONTHS = 5
DIES_IN = (1, 2, 3)
"""Of the transactions of one request, the one in which the process dies."""
DEATHS_SHARE = 0.01
TOKENS_SHARE = 0.02
FIXED_EVERY = 50
COUNTED = (tables.transactions, tables.postings, tables.operations, tables.invoices)


def fixed_work(key: IdentityKey) -> float:
    """Signatures and dictionaries, always as many; the seconds of processor time they took."""
    began = time.process_time()
    for number in range(3):
        sign_pss(key, "soak", bytes([number]))
    rows = [{"number": number, "text": str(number)} for number in range(3000)]
    sorted(rows, key=lambda row: str(row["text"]))
    return time.process_time() - began


class RememberedPasswords(Passwords):
    """Real hashes. A password that was compared once is remembered: it costs 20 ms."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        super().__init__(random)
        self._known: dict[tuple[str | None, str], bool] = {}

    def verify_now(self, hashed: str | None, password: str) -> bool:
        if (hashed, password) not in self._known:
            self._known[hashed, password] = super().verify_now(hashed, password)
        return self._known[hashed, password]


@dataclass
class Month:
    """cpu_ms, wall_ms: of one purchase on average. rows: of tables that folding keeps short.

    fixed_ms: processor time (median) of a fixed piece of work, done between the purchases: how fast
    the machine was in this month. size: bytes of the whole database.
    """

    purchases: int
    cpu_ms: float
    fixed_ms: float
    wall_ms: float
    rows: dict[str, int]
    size: int


@dataclass
class Life:
    """A market and what was measured of it. url: of its PostgreSQL database."""

    opened: BrokerHome
    url: str | None
    random: random.Random
    months: list[Month] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    deaths: int = 0
    clock_steps: int = 0
    restored: int = 0
    left: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock()
        self._key = generate_identity()
        self._passwords = RememberedPasswords(os.urandom)
        self._up = 0.0
        self._merchants: dict[bytes, ScriptedMerchant] = {}
        self._open: list[ScriptedMerchant] = []
        self._people: list[Session] = []
        self._backup: Path | None = None
        self.market = Market(self.opened, None, None, self.clock, [])  # type: ignore[arg-type]
        for _ in range(MERCHANTS):
            self._arrives()
        self._start()
        self._wallet = TokenWallet(self.market)

    async def open_accounts(self) -> None:
        for number in range(CUSTOMERS):
            name = f"customer {number}"
            self._people.append(await self.market.customer(name))
            self.market.run(bookkeeping.credit, name, CREDIT, False, self.clock())

    async def month(self, purchases: int) -> None:
        """Thirty days with so many purchases."""
        cpu = wall = 0.0
        fixed: list[float] = []
        number = len(self.months) + 1
        for step in range(STEPS):
            await self._five_days()
            count = purchases * (step + 1) // STEPS - purchases * step // STEPS
            began, busy = time.perf_counter(), time.process_time()
            for at in range(count):
                await self._purchase()
                if at % FIXED_EVERY == 0:
                    fixed.append(fixed_work(self._key))
                    busy, began = busy + fixed[-1], began + fixed[-1]
            cpu += time.process_time() - busy
            wall += time.perf_counter() - began
            if self.random.random() < 0.5:
                self.clock.now += self.random.choice(CLOCK_STEPS)
                self.clock_steps += 1
            if number % RESTORED_EVERY_MONTHS == 0 and step == 1:
                self._take_backup()
            if number % RESTORED_EVERY_MONTHS == 0 and step == 3:
                await self._go_back()
        if number % COMES_AND_GOES_EVERY_MONTHS == 0:
            self._leaves(self._open[0])
            self._arrives()
        await self._die()
        each = 1000 / max(1, purchases)
        fixed_ms = 1000 * median(fixed or [1.0])
        rows = {
            table.name: self.market.run(
                lambda conn, t=table: conn.execute(select(func.count()).select_from(t)).scalar_one()
            )
            for table in COUNTED
        }
        self.months.append(Month(purchases, cpu * each, fixed_ms, wall * each, rows, self._size()))

    async def close(self) -> None:
        """Let every deadline pass, and audit."""
        await self._five_days()
        await self.market.broker.aclose()
        self._audit("at the end")
        self.opened.close()

    # ---- the broker's process ----

    def _start(self) -> None:
        self._store = MortalStore(self.opened.database)
        mortal = replace(self.opened, database=self._store)
        self.market.opened = self.opened
        broker = RunningBroker(
            mortal,
            self.clock,
            os.urandom,
            lambda _event: None,
            elapsed=lambda: self._up,
            passwords=self._passwords,
        )
        broker.links.ask = self._ask_merchant  # type: ignore[method-assign]
        self.market.broker = broker

    async def _die(self) -> None:
        """The broker's process ends and another one takes its place."""
        self._store.dead = True
        with suppress(Died):
            await self.market.broker.aclose()
        await self._store.bury()
        self._start()
        self.deaths += 1

    async def _ask(self, session: Session, request: Any) -> Any:
        """As a wallet asks: once more on a new session where the broker died meanwhile."""
        try:
            return await self.market.ask(session, request)
        except Died:
            await self._die()
            self.market.broker.state.sessions.add(session)
            return await self.market.ask(session, request)

    def _take_backup(self) -> None:
        target = self.opened.home.path.parent / f"{len(self.months)}.tar"
        self._backup = back_up(
            self.opened.home,
            LAYOUT,
            target,
            identity=self.opened.fingerprint,
            now=self.clock(),
            database=self.opened.database,
        ).path

    async def _go_back(self) -> None:
        """The database is lost, and the backup of ten days ago is restored."""
        assert self._backup is not None
        await self.market.broker.aclose()
        self.opened.close()
        path, mine = self.opened.home.path, self.opened.fingerprint
        restore(self._backup, path, LAYOUT, identity=mine, over_newer=True, database=self.url)
        self._backup.unlink()
        self.opened = open_home(path)
        self._start()
        self.restored += 1
        self._audit("after a restore")

    def _audit(self, when: str) -> None:
        self.findings += [
            f"{when}: {found.name}: {found.row}: {found.what}"
            for check in self.opened.database.read_long(audit, self.opened.fingerprint)
            for found in check.findings
        ]

    def _size(self) -> int:
        """Bytes of the database's files."""
        if self.url is None:
            return sum(file.stat().st_size for file in self.opened.home.path.glob("broker.sqlite*"))
        asked = text(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        )
        return int(self.market.run(lambda conn: conn.execute(asked).scalar_one()))

    # ---- merchants ----

    def _arrives(self) -> None:
        merchant = ScriptedMerchant(generate_identity(), self.opened.fingerprint)
        merchant.since = self.clock.now
        merchant.renew()
        run = self.opened.database.run_now
        run(merchants.admit, merchant.descriptor, f"127.0.0.1:{9 + len(self._merchants)}")
        self._merchants[merchant.fingerprint] = merchant
        self._open.append(merchant)

    def _leaves(self, merchant: ScriptedMerchant) -> None:
        """No new orders; the broker still reports those that are under way."""
        run = self.opened.database.run_now
        views = run(merchants.load_merchants)
        (view,) = [view for view in views if view.fingerprint == merchant.fingerprint]
        run(merchants.suspend, view)
        self._open.remove(merchant)
        self.left += 1

    async def _ask_merchant(self, merchant: bytes, message: Any, kind: type[Any]) -> Any:
        return self._merchants[merchant].answer(message)

    # ---- what happens in five days ----

    async def _five_days(self) -> None:
        market = self.market
        self.clock.now += STEP_DAYS * DAY
        self._up += STEP_DAYS * DAY
        for merchant in self._open:
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
        self.findings += [
            f"month {len(self.months) + 1}: duty {duty.name}: {duty.error or 'not done'}"
            for duty in market.broker.upkeep.duties
            if duty.name != "clock" and (duty.error or duty.done_at is None)
        ]
        for merchant in self._open:
            asked = messages.GetMerchant(fingerprint=merchant.fingerprint, serial=0)
            await market.ask(market.session(), asked)

    async def _purchase(self) -> None:
        """Bought and acknowledged; of a hundred some are cancelled, left alone, or never paid."""
        market, fate = self.market, self.random.random()
        if self.random.random() < DEATHS_SHARE:
            chosen = self.random.choice(DIES_IN)
            self._store.die_in(chosen, after_commit=self.random.random() < 0.5)
        market.merchant = self.random.choice(self._open)
        session = market.session()
        if self.random.random() < TOKENS_SHARE and self._tokens_are_issued():
            await self._token_purchase(session)
            return
        session.login = self.random.choice(self._people).login
        order = await self._offered(session)
        if fate < 0.03:
            return
        await self._ask(session, market.pay(order))
        if fate < 0.06:
            return
        if fate < 0.1:
            await self._ask(session, market.act(messages.Cancel, order))
            return
        await self._ask(session, market.act(messages.Release, order))
        if fate > 0.12:
            await self._ask(session, market.act(messages.Acknowledge, order))
        market.seeds.pop(order, None)
        market.broker.state.sessions.drop(session)

    async def _offered(self, session: Session) -> bytes:
        """A tunnel does not outlive the broker's process: the customer begins anew."""
        try:
            return await self.market.offered(session)
        except Died:
            await self._die()
            self.market.broker.state.sessions.add(session)
            return await self.market.offered(session)

    def _tokens_are_issued(self) -> bool:
        """After a restore none are, until the next epoch begins (docs/restores.md)."""
        now, rows = self.clock(), self.market.run(token_keys.living)
        return any(row.price == PRICE and row.issues(now) for row in rows)

    async def _token_purchase(self, session: Session) -> None:
        """One token withdrawn by the account, and spent by nobody known."""
        market, wallet = self.market, self._wallet
        name = f"customer {self.random.randrange(CUSTOMERS)}"
        login = messages.Login(username=name, password=PASSWORD, device=b"")
        await self._ask(session, login)
        key = wallet.key()
        request, secrets = wallet.asking(key, 1)
        (token,) = wallet.finish(key, secrets, await self._ask(session, request))
        stranger = market.session()
        order = await self._offered(stranger)
        await self._ask(stranger, wallet.spending(order, token))
        for kind in (messages.Release, messages.Acknowledge):
            await self._ask(stranger, market.act(kind, order))
        wallet.secrets.pop(order, None)
        market.seeds.pop(order, None)
