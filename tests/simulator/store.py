"""A party's database: the real SQLite code in memory, that fails and dies at commits.

A `Disk` outlives the processes that use it. A process sees it through a `CrashingStore`, whose
transactions are grouped, carried out and rolled back by the same `GroupCommit` as in a real one.
"""

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import MetaData

from tests.simulator.weather import Weather
from tests.support.simulated_process import Killed, Process
from veilmart.errors import DiskFull
from veilmart.storage.database.group_commit import GroupCommit, Job
from veilmart.storage.database.lease import AlwaysHeld, Lease
from veilmart.storage.database.migrations import upgrade_sqlite
from veilmart.storage.database.port import Database
from veilmart.storage.database.sqlite_engine import connect, database_url

COMMIT_SECONDS = 0.002


class Disk:
    """One database in memory. raw: the SQLite connection, to look at it from outside."""

    def __init__(self, metadata: MetaData, migrations: ModuleType) -> None:
        connection = connect(database_url("sqlite://"))
        upgrade_sqlite(connection, metadata, migrations)
        self.writer = GroupCommit(connection)
        self.raw: Any = connection.connection.driver_connection

    def image(self) -> Any:
        """A copy of everything in it."""
        copy = dbapi2.connect(":memory:")
        self.raw.backup(copy)
        return copy

    def restore(self, image: Any) -> None:
        """Make it what it was when the image was taken."""
        image.backup(self.raw)

    def run(self, transaction: Callable[..., Any], *args: Any) -> Any:
        """One transaction, without any faults."""
        job = Job(transaction, args, {}, None, None)
        self.writer.carry_out([job])
        if job.error is not None:
            raise job.error
        return job.result


class CrashingStore(Database):
    """What one process sees of a disk. `committed` is called after every commit that wrote."""

    def __init__(
        self, disk: Disk, process: Process, weather: Weather, committed: Callable[[], None]
    ) -> None:
        self._disk = disk
        self._process = process
        self._weather = weather
        self._committed = committed
        self._waiting: list[Job] = []

    @property
    def shared(self) -> bool:
        return False

    @property
    def commits(self) -> int:
        return self._disk.writer.commits

    @property
    def decisions(self) -> int:
        return self._disk.writer.decisions

    def lease(self, name: str) -> Lease:
        return AlwaysHeld()

    async def run(self, transaction: Any, *args: Any, **kwargs: Any) -> Any:
        self._process.check()
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append(Job(transaction, args, kwargs, loop, future))
        if len(self._waiting) == 1:
            loop.call_later(COMMIT_SECONDS, self._flush)
        return await future

    def run_now(self, transaction: Any, *args: Any, **kwargs: Any) -> Any:
        self._process.check()
        job = Job(transaction, args, kwargs, None, None)
        self._carry_out([job])
        self._process.check()
        if job.error is not None:
            raise job.error
        return job.result

    def read_now(self, reading: Any, *args: Any, **kwargs: Any) -> Any:
        return self.run_now(reading, *args, **kwargs)

    def read_long(self, reading: Any, *args: Any, **kwargs: Any) -> Any:
        return self.run_now(reading, *args, **kwargs)

    @property
    def log_bytes(self) -> int:
        return 0

    def close(self) -> None:
        """The disk stays."""

    async def aclose(self) -> None:
        """The disk stays."""

    def _flush(self) -> None:
        jobs, self._waiting = self._waiting, []
        if not self._process.alive:
            return
        self._carry_out(jobs)
        if self._process.alive:
            for job in jobs:
                _settle(job)

    def _carry_out(self, jobs: list[Job]) -> None:
        """A process that dies before its commit leaves what was there before."""
        process, writer = self._process, self._disk.writer
        process.may_die("before a commit")
        if not process.alive:
            return
        if self._weather.refuses_commit():
            for job in jobs:
                job.function = _refused(job.function)
        before = writer.commits
        writer.carry_out(jobs)
        if writer.commits != before:
            self._committed()
            process.may_die("between a commit and its answer")


def _refused(transaction: Callable[..., Any]) -> Callable[..., Any]:
    """Runs to its end, and then the disk has no room for it."""

    def full(*args: Any, **kwargs: Any) -> Any:
        transaction(*args, **kwargs)
        raise DiskFull("The database could not grow.")

    return full


def _settle(job: Job) -> None:
    future = job.future
    if future is None or future.done():
        return
    if job.error is None:
        future.set_result(job.result)
    elif isinstance(job.error, Killed):
        future.cancel()
    else:
        future.set_exception(job.error)
