"""The duties that one worker of a broker does for all.

A failed duty does not stop the others (duty.py).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.audit.findings import Breather
from veilmart.broker.events import BooksFolded, TaskFailed, TokenKeyRetired
from veilmart.broker.home import BrokerHome
from veilmart.broker.keys import token_keys
from veilmart.broker.ledger import hot_rows
from veilmart.broker.maintenance.duty import Duty, Work, note_duties
from veilmart.broker.maintenance.fold_months import fold_months
from veilmart.broker.maintenance.folding import audit_due, is_due
from veilmart.broker.maintenance.sweeper import FIRST, FORGETTING, Place, sweep_invoices
from veilmart.broker.relay.reporter import Reporter
from veilmart.broker.state import BrokerState
from veilmart.broker.tokens import key_retirement, published_prefixes
from veilmart.crypto.identity import sign_pss
from veilmart.errors import ClockInDoubt, VeilmartError
from veilmart.limits import DESCRIPTOR_OVERLAP_SECONDS, SWEEP_EVERY_SECONDS
from veilmart.protocol import labels
from veilmart.terminal.clock_guard import ClockGuard

OFTEN_PAUSE_MAX_SECONDS = 60.0
SELDOM_EVERY_SECONDS = 60.0
SELDOM_PAUSE_MAX_SECONDS = 3600.0
FOLDING_PAUSE_MAX_SECONDS = 24 * 3600.0
"""An audit of large books takes minutes: one that failed is not made again at once."""
SELDOM_EVERY_ROUNDS = 12
CLOCK_NOTED_EVERY_SECONDS = 60
CLOCK_SEEN = "clock seen"
CLOCK_CONFIRMED = "clock confirmed"
"""Names in the settings: the last time that was sure, and how often it was confirmed."""


class Upkeep:
    """`keep` does one duty for ever; `round` does all that is due once, one after another.

    renew: makes what is missing of keys and descriptor. leads: whether this worker is the one.
    guard: the time that everything is judged by that cannot be undone.
    """

    def __init__(
        self,
        opened: BrokerHome,
        state: BrokerState,
        reporter: Reporter,
        renew: Callable[[], Awaitable[None]],
        leads: Callable[[], Awaitable[bool]],
        guard: ClockGuard,
    ) -> None:
        self._opened = opened
        self._database = opened.database
        self._state = state
        self._reporter = reporter
        self._renew = renew
        self._leads = leads
        self._guard = guard
        self._seen = 0
        self._rounds = 0
        often: tuple[tuple[str, Work], ...] = (
            ("clock", self._look_at_clock),
            ("deadlines", self._deadlines),
            ("reports", reporter.mark_delivered),
            ("balances", self._add_up),
            ("plenty", partial(self._database.run, token_keys.note_plenty)),
            ("lists", self._close_pages),
            ("sessions", self._sessions),
        )
        seldom: tuple[tuple[str, Work], ...] = (
            *((name, partial(self._forget, work)) for name, work in FORGETTING.items()),
            ("folding", self.fold),
            ("spent_tokens", self._forget_spent),
            ("retiring", self._retire),
            ("renewal", self._make_missing),
        )
        self.often = tuple(
            Duty(name, SWEEP_EVERY_SECONDS, OFTEN_PAUSE_MAX_SECONDS, work) for name, work in often
        )
        self.seldom = tuple(
            Duty(name, SELDOM_EVERY_SECONDS, _longest_pause(name), work) for name, work in seldom
        )

    @property
    def duties(self) -> tuple[Duty, ...]:
        """All of them, in the order in which a round does them."""
        return self.often + self.seldom

    async def round(self) -> None:
        """Each duty once, the slow ones in every twelfth round; raises the first failure after."""
        slow = self._rounds % SELDOM_EVERY_ROUNDS == 0
        self._rounds += 1
        faults = [await self._once(duty) for duty in (self.duties if slow else self.often)]
        for fault in faults:
            if fault is not None:
                raise fault

    async def keep(self, duty: Duty) -> None:
        """Do one duty again and again, with growing pauses while it fails."""
        while True:
            if await self._leads() and await self._once(duty) is not None:
                self._state.observe(TaskFailed(f"Duty {duty.name}", duty.error))
            await asyncio.sleep(duty.pause_seconds)

    async def fold(self) -> None:
        """Fold the postings of the next due month; usually there is none."""
        now, pace, read = self._guard(), Breather(time.monotonic, time.sleep), self._database
        if not await asyncio.to_thread(read.read_now, is_due, now):
            return
        due = await asyncio.to_thread(read.read_long, audit_due, now, pace)
        if due is None:
            return
        sign = partial(sign_pss, self._opened.identity, labels.AUDIT)
        transactions = await fold_months(
            self._database, self._state.fingerprint, due, sign, time.monotonic
        )
        if transactions:
            self._state.observe(BooksFolded(transactions, due.until))

    async def _once(self, duty: Duty) -> Exception | None:
        fault = await duty.once(self._state.clock())
        news = duty.news()
        if news is not None:
            try:
                await self._database.run(note_duties, (news,))
            except VeilmartError:
                duty.unnoted()
        return fault

    async def _look_at_clock(self) -> None:
        """Store the time that has certainly been reached. Raises ClockInDoubt after a jump."""
        now = self._guard()
        if not 0 <= now - self._seen < CLOCK_NOTED_EVERY_SECONDS:
            await self._database.run(settings.set_number, CLOCK_SEEN, now)
            self._seen = now
        ahead = self._guard.doubt_seconds
        if ahead:
            said = f"{abs(ahead) // 3600} hours {'ahead of' if ahead > 0 else 'behind'}"
            raise ClockInDoubt(f"It is {said} what has passed for certain.")

    async def _deadlines(self) -> None:
        after: Place | None = FIRST
        while after is not None:
            swept = await self._database.run(sweep_invoices, self._guard, after)
            for event in swept.events:
                self._state.observe(event)
            for merchant in sorted(swept.merchants):
                self._reporter.wake(merchant)
            after = swept.after

    async def _add_up(self) -> None:
        for account in await self._database.run(hot_rows.add_up):
            self._state.observe(TaskFailed(f"Adding up account {account}", "it is below zero"))

    async def _close_pages(self) -> None:
        read = self._database.read_now
        for number in await asyncio.to_thread(read, published_prefixes.full_lists):
            while await self._database.run(published_prefixes.close_page, number):
                continue

    async def _sessions(self) -> None:
        await self._state.sessions.tidy(self._state.clock())

    async def _forget(self, work: Callable[..., None]) -> None:
        await self._database.run(work, self._guard())

    async def _forget_spent(self) -> None:
        while await self._database.run(key_retirement.forget_spent):
            continue

    async def _retire(self) -> None:
        """Token keys that are over, one in a transaction."""
        state, retired = self._state, False
        try:
            while ended := await self._database.run(key_retirement.retire_next, self._guard()):
                state.observe(TokenKeyRetired(ended.price, ended.epoch, ended.expired))
                retired = True
        finally:
            if retired:
                await self._renew()

    async def _make_missing(self) -> None:
        """Token keys of a new epoch, and a descriptor while the newest one is still good."""
        state = self._state
        missing = await self._database.run(token_keys.missing, state.clock())
        left = state.own.newest.not_after - state.clock()
        if missing or left < DESCRIPTOR_OVERLAP_SECONDS:
            await self._renew()


def _longest_pause(name: str) -> float:
    return FOLDING_PAUSE_MAX_SECONDS if name == "folding" else SELDOM_PAUSE_MAX_SECONDS


def confirm_clock(conn: Connection, now: int) -> None:
    """Transaction: the operator confirms the clock, also to a running broker."""
    settings.set_number(conn, CLOCK_SEEN, now)
    settings.set_number(conn, CLOCK_CONFIRMED, settings.number(conn, CLOCK_CONFIRMED) + 1)
    settings.touch(conn)
