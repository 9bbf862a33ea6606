"""One run: a market, its weather and its people, all from one seed.

Three phases: people buy while things go wrong; everything heals and people finish what is
unfinished; nobody does anything any more while all deadlines pass. Then every purchase has ended.
"""

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from tests.simulator.books import Reader
from tests.simulator.cheaters import live_as_cheater
from tests.simulator.customers import Person, live_as_customer
from tests.simulator.determinism import repeatable_libraries
from tests.simulator.invariants import ALWAYS, IN_THE_END, Invariant, problems
from tests.simulator.known import Known
from tests.simulator.network import Network
from tests.simulator.office import live_in_the_office
from tests.simulator.operator import Operator
from tests.simulator.servers import live_as_broker, live_as_merchant
from tests.simulator.store import CrashingStore, Disk
from tests.simulator.story import Story
from tests.simulator.template import START, Template
from tests.simulator.token_holder import live_as_holder
from tests.simulator.verdict import Violated
from tests.simulator.weather import PERSON_DOWN_SECONDS, SERVER_DOWN_SECONDS, Weather
from tests.simulator.world import World
from tests.support.simulated_process import Process
from tests.support.virtual_loop import VirtualLoop
from veilmart.crypto.suite import all_suites
from veilmart.errors import VeilmartError

Live = Callable[[Process], Awaitable[None]]

ACTIVE_MAX_SECONDS = 20 * 24 * 3600.0
HEALING_MAX_SECONDS = 3 * 24 * 3600.0
ENDING_MAX_SECONDS = 14 * 24 * 3600.0
STRIDE_SECONDS = 3 * 3600.0
_LIVES = {"customer": live_as_customer, "cheater": live_as_cheater, "holder": live_as_holder}
_COMPANIES = (
    ("customer",),
    ("customer", "customer"),
    ("customer", "customer", "customer"),
    ("customer", "cheater"),
    ("customer", "customer", "cheater"),
    ("customer", "holder"),
    ("holder", "holder"),
    ("holder", "holder", "holder"),
)
_STREAMS_CUT = (0.0, 0.005, 0.015, 0.03)
WALLET_FOLDERS = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())


@dataclass
class Outcome:
    """What one run came to. broken: sentences, empty when all is well. cpu_seconds: of this run."""

    seed: int
    broken: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    exchanges: int = 0
    checks: int = 0
    steps: int = 0
    cpu_seconds: float = 0.0
    story: str = ""
    digest: str = ""


class Run:
    """Use once: `Run(template, seed).play()`."""

    def __init__(
        self,
        template: Template,
        seed: int,
        streams: bool | None = None,
        often_cut: float | None = None,
    ) -> None:
        """streams: whether questions go over streams. often_cut: how often a frame's stream is cut,
        at most 1.0. None: as the seed says.
        """
        self._random = Random(seed)
        chosen = Random(f"streams {seed}")
        often = chosen.choice(_STREAMS_CUT) if often_cut is None else often_cut
        over_streams = chosen.random() < 0.5 if streams is None else streams
        self._weather = Weather(self._random, often if over_streams else 0.0)
        self._story = Story()
        self._network = Network(self._weather, self._story, streams=over_streams)
        self._loop = VirtualLoop()  # type: ignore[abstract]
        self._story.time = self._loop.time
        self._healed = asyncio.Event()
        self._processes: list[Process] = []
        self._known = Known(template.goods)
        self._outcome = Outcome(seed)
        self._folder = Path(tempfile.mkdtemp(prefix="market-", dir=WALLET_FOLDERS))
        kinds = self._random.choice(_COMPANIES)
        self._broker_disk, self._merchant_disk, wallets = template.fresh(len(kinds))
        self._people = [
            self._person(number, disk, kind)
            for number, (disk, kind) in enumerate(zip(wallets, kinds, strict=True))
        ]
        self._operator = Operator(
            self._broker_disk, self._people, self._known, self._story, self._loop, self._random
        )
        self._reader = Reader(
            self._broker_disk, self._merchant_disk, self._people, self._known, self._clock
        )
        self._world = World(
            template,
            self._network,
            self._story,
            self._random,
            self._clock,
            self._known,
            self._store,
            self._operator.sees,
            self._random.random() < 0.3,
            self._broker_disk,
        )

    def play(self, *, keep_story: bool = False) -> Outcome:
        """From the first purchase to the last deadline."""
        outcome, began = self._outcome, time.process_time()
        self._story.tell("weather", self._weather.describe())
        try:
            with repeatable_libraries("run"):
                self._loop.run(self._all())
        except Violated as fault:
            outcome.broken = str(fault).splitlines()
        except Exception as fault:
            outcome.broken = [f"{type(fault).__name__}: {fault}"]
        finally:
            for process in self._processes:
                process.kill()
            self._loop.drain()
            shutil.rmtree(self._folder, ignore_errors=True)
        outcome.cpu_seconds = time.process_time() - began
        outcome.faults, outcome.cuts = self._weather.counted, self._weather.cut_at
        outcome.exchanges, outcome.steps = self._network.exchanges, self._loop.steps
        if outcome.broken or keep_story:
            outcome.story, outcome.digest = self._story.text(), self._story.digest()
        return outcome

    # ---- the three phases ----------------------------------------------------------------------

    async def _all(self) -> None:
        world = self._world
        self._operator.set_up()
        keepers = [
            self._keep("broker", partial(live_as_broker, world, disk=self._broker_disk)),
            self._keep("merchant", partial(live_as_merchant, world, disk=self._merchant_disk)),
        ]
        if self._random.random() < 0.4:
            random = Random(self._random.randbytes(16))
            office = partial(live_in_the_office, world, disk=self._merchant_disk, random=random)
            keepers.append(self._keep("office", office))
        tasks = [asyncio.create_task(keeper) for keeper in keepers]
        await self._let_people_finish(ACTIVE_MAX_SECONDS)
        self._heal()
        await self._let_people_finish(HEALING_MAX_SECONDS)
        ends_at = self._loop.time() + ENDING_MAX_SECONDS
        while self._loop.time() < ends_at and self._broken(IN_THE_END):
            await asyncio.sleep(STRIDE_SECONDS)
        for task in tasks:
            task.cancel()
        self._check((*ALWAYS, *IN_THE_END))
        await asyncio.sleep(0)
        books = self._reader.read()
        self._outcome.states = Counter(invoice.state for invoice in books.invoices.values())
        self._outcome.tokens = Counter(
            withdrawn=sum(issue.count for issue in books.issues),
            spent=sum(token.order is not None for token in books.taken),
            deposited=sum(token.order is None for token in books.taken),
            reissued=sum(token.reissued for token in books.taken),
        )

    def _heal(self) -> None:
        self._story.tell("weather", "calms down; everybody comes back")
        self._operator.pay_out()
        self._weather.calm = True
        self._healed.set()
        for person in self._people:
            person.wants = 0

    async def _let_people_finish(self, seconds: float) -> None:
        lives = [
            asyncio.create_task(self._keep_person(person))
            for person in self._people
            if not person.content
        ]
        if lives:
            await asyncio.wait(lives, timeout=seconds)
        for life in lives:
            life.cancel()

    # ---- processes -----------------------------------------------------------------------------

    async def _keep_person(self, person: Person) -> None:
        while not person.content:
            live = partial(_LIVES[person.kind], self._world, person=person)
            await self._live(person.name, live, PERSON_DOWN_SECONDS)

    async def _keep(self, name: str, live: Live) -> None:
        while True:
            await self._live(name, live, SERVER_DOWN_SECONDS)

    async def _live(self, name: str, live: Live, down: tuple[float, ...]) -> None:
        """One incarnation, and the time that its place stays empty afterwards."""
        process = Process(name, lambda place: self._dies(name, place), lambda: None)
        self._processes.append(process)
        try:
            process.start(self._begin(process, live))
            await process.down.wait()
        finally:
            process.kill()
        try:
            await asyncio.wait_for(self._healed.wait(), self._weather.down_seconds(down))
        except TimeoutError:
            return
        await asyncio.sleep(1)

    async def _begin(self, process: Process, live: Live) -> None:
        try:
            await live(process)
        except VeilmartError as error:
            self._story.tell(process.name, error)
        except Exception as fault:
            # Whatever else a program raises is a bug, and so is a trick that worked.
            self._story.tell(process.name, fault)
            self._loop.fail(fault)
        process.kill()

    def _dies(self, name: str, place: str) -> bool:
        if not self._weather.kills():
            return False
        self._story.tell(name, f"is killed {place}")
        return True

    def _clock(self) -> int:
        return START + int(self._loop.time())

    def _store(self, disk: Disk, process: Process) -> CrashingStore:
        return CrashingStore(disk, process, self._weather, lambda: self._check(ALWAYS))

    # ---- people --------------------------------------------------------------------------------

    def _person(self, number: int, disk: Disk, kind: str) -> Person:
        random = self._random
        folder = self._folder / f"wallet-{number}"
        (folder / "out").mkdir(parents=True)
        suite = all_suites()[1 if random.random() < 0.02 else 0]
        return Person(
            name=f"{kind}-{number}",
            kind=kind,
            disk=disk,
            folder=folder,
            random=Random(random.randbytes(16)),
            suite=suite,
            wants=random.randint(4, 12),
            refuses=random.choice((0.0, 0.1)),
            gives_up=random.choice((0.0, 0.3)),
        )

    # ---- looking at the books ------------------------------------------------------------------

    def _broken(self, invariants: tuple[Invariant, ...]) -> list[str]:
        return problems(self._reader.read(), invariants)

    def _check(self, invariants: tuple[Invariant, ...]) -> None:
        self._outcome.checks += 1
        broken = self._broken(invariants)
        if broken:
            self._story.tell("INVARIANT", "; ".join(broken))
            # Raised by the loop: programs catch what is raised in them.
            self._loop.fail(Violated("\n".join(broken)))
