"""A running broker: the server and the tasks beside it, from start to orderly stop."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial

from veilmart.broker import merchants as merchant_book, settings
from veilmart.broker.accounts import administration
from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.events import (
    Event,
    Identified,
    Listening,
    MerchantLost,
    TaskFailed,
)
from veilmart.broker.home import BrokerHome, renew_descriptor
from veilmart.broker.keys import token_keys
from veilmart.broker.ledger import hot_rows
from veilmart.broker.maintenance.duty import Duty
from veilmart.broker.maintenance.upkeep import CLOCK_CONFIRMED, CLOCK_SEEN, Upkeep
from veilmart.broker.merchants import ADMITTED, MerchantView
from veilmart.broker.relay.descriptor_rules import refresh
from veilmart.broker.relay.links import LinkPool
from veilmart.broker.relay.reporter import Reporter
from veilmart.broker.server.counters import broker_metrics, count
from veilmart.broker.server.http_app import BrokerApp
from veilmart.broker.sessions.shared_sessions import SharedSessions
from veilmart.broker.state import BrokerState, Observe
from veilmart.errors import MerchantUnreachable, StorageFailure, VeilmartError
from veilmart.limits import SWEEP_EVERY_SECONDS
from veilmart.protocol.link_messages import LinkReady
from veilmart.protocol.ports import Clock, Random
from veilmart.storage.session_rows.hourly_keys import RowKeys
from veilmart.terminal.clock_guard import ClockGuard
from veilmart.transport.metrics import Metrics
from veilmart.transport.port import OpenClient
from veilmart.transport.server import serve, serve_on
from veilmart.transport.status import StatusPlace, status_served
from veilmart.transport.stream_client import StreamClient
from veilmart.transport.workers import this_worker

LOOK_EVERY_SECONDS = 1.0
LINK_PAUSE_FIRST_SECONDS = 1
LINK_PAUSE_MAX_SECONDS = 30


class RunningBroker:
    """Everything of one broker process but its socket."""

    def __init__(
        self,
        opened: BrokerHome,
        clock: Clock,
        random: Random,
        observe: Observe,
        *,
        one_of_several: bool = False,
        open_client: OpenClient = StreamClient,
        passwords: Passwords | None = None,
        elapsed: Callable[[], float] | None = None,
    ) -> None:
        """elapsed: seconds that only grow; without it the clock is always trusted."""
        self._opened = opened
        self._database = opened.database
        self.state = BrokerState(
            fingerprint=opened.fingerprint,
            settings=opened.database.run_now(settings.load),
            own=renew_descriptor(opened, clock(), random),
            clock=clock,
            random=random,
            observe=observe,
            tokens=opened.database.run_now(token_keys.load_keys),
        )
        if one_of_several:
            self.state.sessions = shared_sessions(opened, random)
        self._lease = opened.database.lease("background")
        self._leading = not opened.database.shared
        self.state.merchants.replace(opened.database.read_now(merchant_book.load_merchants))
        self.links = LinkPool(self.state, opened.identity, self._linked, open_client)
        self.reporter = Reporter(self.state, opened.database, self.links)
        self.state.wake_reporter = self.reporter.wake
        hashing = Passwords(random) if passwords is None else passwords
        self.app = BrokerApp(self.state, opened.database, self.links, hashing, this_worker())
        self._revision = opened.database.run_now(settings.revision)
        self._ended = max(
            (n for n, _ in opened.database.run_now(administration.ended_since, 0)), default=0
        )
        self._try_again: dict[bytes, tuple[int, int, int]] = {}
        """Merchant → when, the pause before (seconds), the code of what failed."""
        self._linking: dict[bytes, asyncio.Task[None]] = {}
        self._refreshing: set[asyncio.Task[None]] = set()
        run = opened.database.run_now
        seen = run(settings.number, CLOCK_SEEN) if elapsed is not None else 0
        self._guard = ClockGuard(clock, clock if elapsed is None else elapsed, seen or None)
        self._confirmed = run(settings.number, CLOCK_CONFIRMED)
        self.upkeep = Upkeep(
            opened, self.state, self.reporter, self._make_new, self._look_who_leads, self._guard
        )

    def describe(self, metrics: Metrics) -> None:
        """Add the gauges to the metrics."""
        database, links, merchants = self._database, self.links, self.state.merchants

        def linked() -> float:
            return float(sum(links.linked(view.fingerprint) for view in merchants.all()))

        metrics.gauge("merchants", "Merchants carried.", lambda: float(len(merchants.all())))
        metrics.gauge("merchants_linked", "Merchants with a session now.", linked)
        metrics.gauge("database_commits", "Durable commits.", lambda: float(database.commits))
        metrics.gauge(
            "database_decisions", "Transactions in them.", lambda: float(database.decisions)
        )
        metrics.gauge(
            "database_log_bytes",
            "Size of SQLite's write-ahead log; 0 on PostgreSQL.",
            lambda: float(database.log_bytes),
        )
        duties, clock = self.upkeep.duties, self.state.clock
        began = clock()
        metrics.gauge(
            "duties_failing",
            "Duties of this worker whose last try failed.",
            lambda: float(sum(duty.failing_since is not None for duty in duties)),
        )
        for duty in duties:
            metrics.gauge(
                f"duty_{duty.name}_seconds",
                f"Time since the duty {duty.name} was done, or since the start.",
                partial(_since, duty, began, clock),
            )

    async def look(self) -> None:
        """Load what a command changed, and link merchants that are not linked."""
        await self._look_who_leads()
        if self._leading:
            for merchant in await self._database.run(hot_rows.merchants_waiting):
                self.reporter.wake(merchant)
        revision = await self._database.run(settings.revision)
        if revision != self._revision:
            self._revision = revision
            await self._reload()
        now = self.state.clock()
        for view in self.state.merchants.all():
            due = self._try_again.get(view.fingerprint, (0, 0, 0))[0]
            busy = view.fingerprint in self._linking
            if not busy and now >= due and not self.links.linked(view.fingerprint):
                task = asyncio.create_task(self._link(view))
                self._linking[view.fingerprint] = task

    async def sweep(self) -> None:
        """One round of upkeep.

        One worker does the shared duties; the others only tidy their own memory. Raises the first
        failure after all duties were tried.
        """
        if await self._look_who_leads():
            await self.upkeep.round()
        else:
            self.state.sessions.sweep(self.state.clock())

    async def _look_who_leads(self) -> bool:
        """Whether this worker leads; the leader also reports to merchants."""
        leading = await self._lease.held()
        if leading and not self._leading:
            self.reporter.go_on()
            for view in self.state.merchants.all():
                self.reporter.wake(view.fingerprint)
        elif not leading:
            await self.reporter.pause()
        self._leading = leading
        return leading

    async def keep_looking(self) -> None:
        """Call `look` periodically; report a failure and try again."""
        while True:
            try:
                await self.look()
            except Exception as fault:
                code = f"error {fault.code}" if isinstance(fault, VeilmartError) else ""
                self.state.observe(TaskFailed("Looking for changes", code or type(fault).__name__))
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def keep_sessions(self) -> None:
        """A worker that does not lead still drops expired sessions from its memory."""
        while True:
            if not self._leading:
                self.state.sessions.sweep(self.state.clock())
            await asyncio.sleep(SWEEP_EVERY_SECONDS)

    def background(self) -> list[Coroutine[object, object, None]]:
        """The background tasks: every duty, and the look for changes."""
        duties = [self.upkeep.keep(duty) for duty in self.upkeep.duties]
        return [self.keep_looking(), self.keep_sessions(), *duties]

    async def aclose(self) -> None:
        """Stop what runs in the background. The home stays open."""
        tasks = [*self._linking.values(), *self._refreshing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self.reporter.aclose()
        except StorageFailure as fault:
            # Reports that were not marked are sent once more.
            self.state.observe(TaskFailed("Stopping", f"error {fault.code}"))
        await self._lease.aclose()
        await self.links.aclose()

    async def _reload(self) -> None:
        state = self.state
        confirmed = await self._database.run(settings.number, CLOCK_CONFIRMED)
        if confirmed != self._confirmed:
            self._confirmed = confirmed
            self._guard.confirm()
        state.settings = await self._database.run(settings.load)
        state.merchants.replace(
            await asyncio.to_thread(self._database.read_now, merchant_book.load_merchants)
        )
        for number, account in await self._database.run(administration.ended_since, self._ended):
            state.sessions.drop_account(account, keep=None)
            self._ended = number
        self._try_again.clear()
        await self._renew()
        for view in state.merchants.all():
            self.reporter.wake(view.fingerprint)

    async def _make_new(self) -> None:
        await self._renew()
        await self._database.run(settings.touch)

    async def _renew(self) -> None:
        state, serial = self.state, self.state.own.newest.serial
        state.own = await asyncio.to_thread(
            renew_descriptor, self._opened, state.clock(), state.random
        )
        state.tokens = await self._database.run(token_keys.load_keys)
        if state.own.newest.serial != serial:
            # Merchants read our descriptor when a link is made.
            self.links.renew()

    async def _link(self, view: MerchantView) -> None:
        merchant = view.fingerprint
        _due, pause, told = self._try_again.get(merchant, (0, 0, 0))
        try:
            await self.links.link(merchant)
            self._try_again.pop(merchant, None)
        except VeilmartError as error:
            if error.code != told and view.state == ADMITTED:
                named = isinstance(error, MerchantUnreachable) and error.detail
                self.state.observe(MerchantLost(view.name, named or error.say()))
            pause = min(LINK_PAUSE_MAX_SECONDS, pause * 2 or LINK_PAUSE_FIRST_SECONDS)
            self._try_again[merchant] = (self.state.clock() + pause, pause, error.code)
        finally:
            self._linking.pop(merchant, None)

    def _linked(self, merchant: bytes, ready: LinkReady) -> None:
        self.reporter.begin_again(merchant, ready.heard)
        self.reporter.wake(merchant)
        if ready.serial > self.state.merchants.known(merchant).newest.descriptor.serial:
            task = asyncio.create_task(self._refresh(merchant))
            self._refreshing.add(task)
            task.add_done_callback(self._refreshing.discard)

    async def _refresh(self, merchant: bytes) -> None:
        try:
            await self.app.perform(refresh(self.state, merchant))
        except VeilmartError as error:
            said = f"error {error.code}: {error.say()}"
            self.state.observe(TaskFailed("Reading a merchant's descriptor", said))


def _since(duty: Duty, began: int, clock: Clock) -> float:
    return float(clock() - (began if duty.done_at is None else duty.done_at))


def shared_sessions(opened: BrokerHome, random: Random) -> SharedSessions:
    """What the workers of a broker share."""
    return SharedSessions(opened.database, RowKeys(opened.home, random))


async def serve_worker(
    opened: BrokerHome,
    listener: socket.socket,
    *,
    clock: Clock,
    random: Random,
    observe: Observe,
    stop: asyncio.Event,
    on_started: Callable[[int], None],
    status: StatusPlace | None = None,
    elapsed: Callable[[], float] | None = None,
) -> None:
    """Be one of several workers, on a socket that their parent listens on."""
    metrics = broker_metrics()
    observed = _counting(metrics, observe)
    broker = RunningBroker(opened, clock, random, observed, one_of_several=True, elapsed=elapsed)
    serving = serve_on(broker.app.asgi, listener, on_started=on_started, stop=stop)
    async with _status(broker, metrics, opened, stop, status):
        await _run(broker, serving)


def _counting(metrics: Metrics, observe: Observe) -> Observe:
    def observed(event: Event) -> None:
        count(metrics, event)
        observe(event)

    return observed


def _status(
    broker: RunningBroker,
    metrics: Metrics,
    opened: BrokerHome,
    stop: asyncio.Event,
    status: StatusPlace | None,
) -> AbstractAsyncContextManager[None]:
    broker.describe(metrics)
    return status_served(status, metrics, partial(opened.database.run, settings.revision), stop)


async def serve_opened(
    opened: BrokerHome,
    host: str,
    port: int,
    *,
    clock: Clock,
    random: Random,
    observe: Observe,
    stop: asyncio.Event,
    on_started: Callable[[int], None],
    status: StatusPlace | None = None,
    elapsed: Callable[[], float] | None = None,
) -> None:
    """Run a broker until `stop` is set, on a home that the caller has opened and closes.

    `on_started(port)` is called once it listens. status: where health and metrics are answered, if
    anywhere. Raises HomeInUse, PortInUse, StorageFailure.
    """
    metrics = broker_metrics()
    with opened.home.lock("server", wait=False):
        broker = RunningBroker(opened, clock, random, _counting(metrics, observe), elapsed=elapsed)
        async with _status(broker, metrics, opened, stop, status):
            await _serve(broker, host, port, stop, on_started)


async def _serve(
    broker: RunningBroker,
    host: str,
    port: int,
    stop: asyncio.Event,
    on_started: Callable[[int], None],
) -> None:
    def started(actual_port: int) -> None:
        broker.state.observe(Listening(host, actual_port))
        broker.state.observe(Identified(broker.state.fingerprint))
        on_started(actual_port)

    await _run(broker, serve(broker.app.asgi, host, port, on_started=started, stop=stop))


async def _run(broker: RunningBroker, serving: Coroutine[object, object, None]) -> None:
    tasks = [asyncio.create_task(work) for work in broker.background()]
    try:
        await serving
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await broker.aclose()
