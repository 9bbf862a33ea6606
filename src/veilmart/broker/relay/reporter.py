"""Sends merchants the reports about their orders: one task for each merchant.

All events up to the moment when a merchant is reached go into one report. The task retries with
growing pauses while the merchant is away.
"""

import asyncio

from veilmart.broker.escrow import outbox
from veilmart.broker.events import TaskFailed
from veilmart.broker.relay.links import LinkPool
from veilmart.broker.state import BrokerState
from veilmart.errors import VeilmartError
from veilmart.protocol.link_messages import REPORTS_MAX, Report, Reported
from veilmart.storage.database.port import Database

PAUSE_FIRST_SECONDS = 0.5
PAUSE_MAX_SECONDS = 30.0


class Reporter:
    """`wake` a merchant's task whenever there may be something to report."""

    def __init__(self, state: BrokerState, database: Database, links: LinkPool) -> None:
        self._state = state
        self._database = database
        self._links = links
        self._wanted: dict[bytes, asyncio.Event] = {}
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._sent: dict[bytes, int] = {}
        self._balance: dict[bytes, int] = {}
        self._repeat: dict[bytes, int] = {}
        self._unmarked: dict[bytes, int] = {}
        self._paused = False

    def wake(self, merchant: bytes) -> None:
        """The merchant's orders or balance may have changed."""
        if self._paused:
            return  # the worker that reports looks for itself
        self._wanted.setdefault(merchant, asyncio.Event()).set()
        if merchant not in self._tasks:
            self._tasks[merchant] = asyncio.create_task(self._work(merchant))

    def begin_again(self, merchant: bytes, heard: int) -> None:
        """Start reporting on a new link: the balance, and every entry after report `heard`.

        A restored merchant has lost reports that it once answered; any other one has them all.
        """
        self._balance.pop(merchant, None)
        self._repeat[merchant] = heard

    async def mark_delivered(self) -> None:
        """Store what merchants have answered; called periodically by the sweeper."""
        if self._unmarked:
            marks, self._unmarked = self._unmarked, {}
            try:
                await self._database.run(outbox.mark_delivered, marks)
            except BaseException:
                self._unmarked = marks | self._unmarked
                raise

    async def pause(self) -> None:
        """Another worker reports from now on."""
        self._paused = True
        await self._stop()

    def go_on(self) -> None:
        """This worker reports from now on; entries not marked as delivered are sent again."""
        self._paused = False
        self._sent.clear()

    async def aclose(self) -> None:
        """Stop; undelivered entries are sent after the next start."""
        await self._stop()
        await self.mark_delivered()

    async def _stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    async def _work(self, merchant: bytes) -> None:
        wanted, pause = self._wanted[merchant], PAUSE_FIRST_SECONDS
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                while await self._send(merchant):
                    continue
                pause = PAUSE_FIRST_SECONDS
            except VeilmartError:
                # The link's keeper has told the operator that the merchant is away.
                wanted.set()
                await asyncio.sleep(pause)
                pause = min(PAUSE_MAX_SECONDS, pause * 2)
            except Exception as fault:
                self._state.observe(TaskFailed("Reporting to a merchant", type(fault).__name__))
                wanted.set()
                await asyncio.sleep(PAUSE_MAX_SECONDS)

    async def _send(self, merchant: bytes) -> bool:
        """Send the next entries; False when there were none."""
        if await self._send_again(merchant):
            return True
        found = await self._database.run(outbox.next_reports, merchant, self._sent.get(merchant, 0))
        if not found.entries and self._balance.get(merchant) == found.balance:
            return False
        await self._links.ask(
            merchant, Report(entries=found.entries, balance=found.balance), Reported
        )
        self._balance[merchant] = found.balance
        if found.entries:
            last = found.entries[-1].sequence
            self._sent[merchant] = self._unmarked[merchant] = last
        return len(found.entries) == REPORTS_MAX

    async def _send_again(self, merchant: bytes) -> bool:
        """Send delivered entries that the merchant lost; False when there are none."""
        heard = self._repeat.get(merchant)
        if heard is None:
            return False
        found = await self._database.run(outbox.delivered_after, merchant, heard)
        if found.entries:
            await self._links.ask(
                merchant, Report(entries=found.entries, balance=found.balance), Reported
            )
            self._balance[merchant] = found.balance
        if self._repeat.get(merchant) == heard:  # or there is a newer link already
            if found.entries:
                self._repeat[merchant] = found.entries[-1].sequence
            else:
                del self._repeat[merchant]
        return bool(found.entries)
