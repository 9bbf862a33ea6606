"""A running broker: the server and the tasks beside it, from start to orderly stop."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from veilmart.broker import merchant_book, settings
from veilmart.broker.app import BrokerApp
from veilmart.broker.events import Listening, MerchantLost, Trouble
from veilmart.broker.home import BrokerHome, initialise, is_initialised, open_home, renew_descriptor
from veilmart.broker.links import LinkPool
from veilmart.broker.merchant_book import ADMITTED, MerchantView
from veilmart.broker.merchants_rules import refresh
from veilmart.broker.passwords import Passwords
from veilmart.broker.reporter import Reporter
from veilmart.broker.state import BrokerState, Clock, Observe
from veilmart.broker.sweeper import forget, sweep_invoices
from veilmart.errors import VeilmartError
from veilmart.limits import DESCRIPTOR_OVERLAP_SECONDS, SWEEP_EVERY_SECONDS
from veilmart.protocol.handshake import Random
from veilmart.transport.server import serve

LOOK_EVERY_SECONDS = 1.0
LINK_PAUSE_FIRST_SECONDS = 1
LINK_PAUSE_MAX_SECONDS = 30
FORGET_EVERY_SWEEPS = 12


class RunningBroker:
    """Everything of one broker process but its socket."""

    def __init__(self, opened: BrokerHome, clock: Clock, random: Random, observe: Observe) -> None:
        self._opened = opened
        self._database = opened.database
        self.state = BrokerState(
            fingerprint=opened.fingerprint,
            settings=opened.database.run_now(settings.load),
            own=renew_descriptor(opened, clock(), random),
            clock=clock,
            random=random,
            observe=observe,
        )
        self.state.merchants.replace(opened.database.run_now(merchant_book.load_merchants))
        self.links = LinkPool(self.state, opened.identity, self._linked)
        self.reporter = Reporter(self.state, opened.database, self.links)
        self.state.wake_reporter = self.reporter.wake
        self.app = BrokerApp(self.state, opened.database, self.links, Passwords(random))
        self._revision = opened.database.run_now(settings.revision)
        self._try_again: dict[bytes, tuple[int, int]] = {}
        self._linking: dict[bytes, asyncio.Task[None]] = {}
        self._refreshing: set[asyncio.Task[None]] = set()
        self._sweeps = 0

    async def look(self) -> None:
        """Take over what a command changed, and link merchants that are not linked."""
        revision = await self._database.run(settings.revision)
        if revision != self._revision:
            self._revision = revision
            await self._reload()
        now = self.state.clock()
        for view in self.state.merchants.all():
            due, _pause = self._try_again.get(view.fingerprint, (0, 0))
            busy = view.fingerprint in self._linking
            if not busy and now >= due and not self.links.linked(view.fingerprint):
                task = asyncio.create_task(self._link(view))
                self._linking[view.fingerprint] = task

    async def sweep(self) -> None:
        """One round: deadlines, delivered reports, and now and then what can be forgotten."""
        state = self.state
        while True:
            swept = await self._database.run(sweep_invoices, state.clock)
            for event in swept.events:
                state.observe(event)
            for merchant in swept.merchants:
                self.reporter.wake(merchant)
            if not swept.more:
                break
        await self.reporter.mark_delivered()
        state.sessions.sweep(state.clock())
        if self._sweeps % FORGET_EVERY_SWEEPS == 0:
            await self._database.run(forget, state.clock)
            if state.own.newest.not_after - state.clock() < DESCRIPTOR_OVERLAP_SECONDS:
                await self._renew()
        self._sweeps += 1

    async def keep(
        self, task: str, every_seconds: float, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Do `work` again and again; a failure is told and tried again."""
        while True:
            try:
                await work()
            except Exception as fault:
                code = f"error {fault.code}" if isinstance(fault, VeilmartError) else ""
                self.state.observe(Trouble(task, code or type(fault).__name__))
            await asyncio.sleep(every_seconds)

    async def aclose(self) -> None:
        """Stop what runs in the background. The home stays open."""
        tasks = [*self._linking.values(), *self._refreshing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.reporter.aclose()
        await self.links.aclose()

    async def _reload(self) -> None:
        state = self.state
        state.settings = await self._database.run(settings.load)
        state.merchants.replace(await self._database.run(merchant_book.load_merchants))
        self._try_again.clear()
        await self._renew()
        for view in state.merchants.all():
            self.reporter.wake(view.fingerprint)

    async def _renew(self) -> None:
        state, serial = self.state, self.state.own.newest.serial
        state.own = await asyncio.to_thread(
            renew_descriptor, self._opened, state.clock(), state.random
        )
        if state.own.newest.serial != serial:
            # Merchants read our descriptor when a link is made.
            self.links.renew()

    async def _link(self, view: MerchantView) -> None:
        merchant = view.fingerprint
        _due, pause = self._try_again.get(merchant, (0, 0))
        try:
            await self.links.link(merchant)
            self._try_again.pop(merchant, None)
        except VeilmartError as error:
            if pause == 0 and view.state == ADMITTED:
                self.state.observe(MerchantLost(view.name, error.detail or error.summary))
            pause = min(LINK_PAUSE_MAX_SECONDS, pause * 2 or LINK_PAUSE_FIRST_SECONDS)
            self._try_again[merchant] = (self.state.clock() + pause, pause)
        finally:
            self._linking.pop(merchant, None)

    def _linked(self, merchant: bytes, serial: int) -> None:
        self.reporter.forget_balance(merchant)
        self.reporter.wake(merchant)
        if serial > self.state.merchants.known(merchant).newest.descriptor.serial:
            task = asyncio.create_task(self._refresh(merchant))
            self._refreshing.add(task)
            task.add_done_callback(self._refreshing.discard)

    async def _refresh(self, merchant: bytes) -> None:
        try:
            await self.app.perform(refresh(self.state, merchant))
        except VeilmartError as error:
            self.state.observe(Trouble("Reading a merchant's descriptor", f"error {error.code}"))


async def serve_broker(
    home: Path,
    host: str,
    port: int,
    *,
    clock: Clock,
    random: Random,
    observe: Observe,
    stop: asyncio.Event,
    on_started: Callable[[int], None],
) -> None:
    """Run a broker until `stop` is set. A home that is not set up gets the defaults.

    `on_started(port)` is called once it listens. Raises HomeInUse, PortInUse, StorageFailure.
    """
    opened = open_home(home) if is_initialised(home) else initialise(home, random)
    try:
        await serve_opened(
            opened,
            host,
            port,
            clock=clock,
            random=random,
            observe=observe,
            stop=stop,
            on_started=on_started,
        )
    finally:
        await opened.database.aclose()


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
) -> None:
    """Like `serve_broker` on a home that the caller has opened and closes."""
    with opened.home.lock("server", wait=False):
        broker = RunningBroker(opened, clock, random, observe)
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
        on_started(actual_port)

    tasks = [
        asyncio.create_task(broker.keep("Looking for changes", LOOK_EVERY_SECONDS, broker.look)),
        asyncio.create_task(broker.keep("Sweeping", SWEEP_EVERY_SECONDS, broker.sweep)),
    ]
    try:
        await serve(broker.app.asgi, host, port, on_started=started, stop=stop)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await broker.aclose()
