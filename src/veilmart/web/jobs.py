"""Work that takes longer than a page request; it continues while the page is reloaded or closed.

A job is one task of the event loop. It reports its present state, not a stream of events, so a page
that is opened later shows where the job is now. Anything that must survive the process is stored by
the use case, not by the job.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from veilmart.errors import ServerFault, VeilmartError
from veilmart.limits import WEB_JOBS_KEPT_MAX

LINES_KEPT = 50
RATE_OVER_SECONDS = 5.0

_log = structlog.get_logger("veilmart.web")


@dataclass(frozen=True)
class NextStep:
    """Where a finished job leads. href: path on this face."""

    href: str
    label: str


@dataclass(frozen=True)
class Measure:
    """How much is done. unit: "bytes" or a noun; rate: units a second, None if not known yet."""

    done: int
    total: int
    unit: str
    rate: float | None = None

    @property
    def percent(self) -> int:
        return 100 if self.total <= 0 else min(100, self.done * 100 // self.total)

    @property
    def seconds_left(self) -> int | None:
        if not self.rate:
            return None
        return max(0, round((self.total - self.done) / self.rate))


@dataclass
class Job:
    """One piece of work. state: running, done, failed or stopped; changes: counts reports."""

    id: str
    key: str
    title: str
    state: str = "running"
    step: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    measure: Measure | None = None
    error: VeilmartError | None = None
    next_step: NextStep | None = None
    result: Any = None
    changes: int = 0
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop, repr=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _marks: deque[tuple[float, int]] = field(default_factory=deque, repr=False)

    @property
    def path(self) -> str:
        return f"/jobs/{self.id}"

    @property
    def running(self) -> bool:
        return self.state == "running"

    async def wait_changed(self, seen: int) -> None:
        """Return once `changes` differs from `seen`."""
        while self.changes == seen:
            await self._changed.wait()

    def _notify(self) -> None:
        self.changes += 1
        self._changed.set()
        self._changed = asyncio.Event()


class Report:
    """Reports a job's progress. May be called from any thread."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def step(self, text: str) -> None:
        """Report the present step."""
        self._later(lambda job: setattr(job, "step", text))

    def line(self, text: str) -> None:
        """Something that happened."""
        self._later(lambda job: job.lines.append(text))

    def advance(self, done: int, total: int, unit: str) -> None:
        """How much is done; the rate is taken over the last five seconds."""
        now = time.monotonic()

        def change(job: Job) -> None:
            marks = job._marks
            marks.append((now, done))
            while len(marks) > 2 and now - marks[0][0] > RATE_OVER_SECONDS:
                marks.popleft()
            seconds, units = now - marks[0][0], done - marks[0][1]
            job.measure = Measure(done, total, unit, units / seconds if seconds > 0.2 else None)

        self._later(change)

    def leads_to(self, href: str, label: str) -> None:
        """Where the finished job's page leads."""
        self._later(lambda job: setattr(job, "next_step", NextStep(href, label)))

    def _later(self, change: Callable[[Job], object]) -> None:
        job = self._job

        def apply() -> None:
            change(job)
            job._notify()

        job._loop.call_soon_threadsafe(apply)


Work = Callable[[Report], Awaitable[Any]]


class Jobs:
    """The jobs of one face, by id. One with the same key is not started twice."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def start(self, key: str, title: str, work: Work) -> Job:
        """Start `work`, or return the running job of that key."""
        for job in self._jobs.values():
            if job.key == key and job.running:
                return job
        self._forget()
        job = Job(secrets.token_hex(12), key, title)
        self._jobs[job.id] = job
        job.task = asyncio.create_task(_run(job, work))
        return job

    async def wait(self, job: Job, seconds: float) -> None:
        """Return when it is over, or after `seconds`: a short job needs no page of its own."""
        if job.task is not None:
            await asyncio.wait({job.task}, timeout=seconds)

    def find(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def running(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.running]

    def latest(self, key: str) -> Job | None:
        """The job of that key that was started last."""
        return next((job for job in reversed(self._jobs.values()) if job.key == key), None)

    async def stop(self) -> None:
        """Cancel what is running and wait for it."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self) -> None:
        over = [job for job in self._jobs.values() if not job.running]
        for job in over[: max(0, len(over) - WEB_JOBS_KEPT_MAX + 1)]:
            del self._jobs[job.id]


async def _run(job: Job, work: Work) -> None:
    try:
        job.result = await work(Report(job))
        # Reports of other threads are applied in turn; let them come before the end.
        await asyncio.sleep(0)
        job.state = "done"
    except VeilmartError as error:
        job.state, job.error = "failed", error
    except asyncio.CancelledError:
        job.state = "stopped"
        raise
    except Exception as fault:
        # The text of an unexpected exception may quote a message, so it is never written down.
        _log.error("job failed", kind=type(fault).__name__)
        job.state, job.error = "failed", ServerFault()
    finally:
        job._notify()
