"""A role's database in one SQLite file: transactions committed in groups (ADR 2)."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Concatenate, ParamSpec, TypeVar

import pysqlite3.dbapi2
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from veilmart.errors import DatabaseFailure, Misuse, ServerBusy
from veilmart.limits import TRANSACTIONS_PER_COMMIT_MAX, TRANSACTIONS_WAITING_MAX
from veilmart.storage.database.group_commit import GroupCommit, Job
from veilmart.storage.database.lease import AlwaysHeld, Lease
from veilmart.storage.database.migrations import upgrade_sqlite
from veilmart.storage.database.port import Database
from veilmart.storage.database.sqlite_engine import (
    connect,
    create_private,
    database_file,
    database_url,
)
from veilmart.storage.database.sqlite_reading import (
    copied_connection,
    log_bytes,
    reading_connection,
)
from veilmart.storage.files.disk_errors import database_error
from veilmart.storage.files.process_lock import process_lock

P = ParamSpec("P")
T = TypeVar("T")


class SqliteDatabase(Database):
    """One SQLite file, one connection, one writer thread with group commit.

    Commit before you answer: no caller gets a result before it is on the disk. Several processes
    may have the same file open.
    """

    @classmethod
    def open_file(
        cls,
        url_or_path: str | Path,
        metadata: MetaData,
        migrations: ModuleType | Path | str,
    ) -> "SqliteDatabase":
        """Create (mode 0600) or open the file and bring it to the newest revision.

        Raises `DatabaseFailure`, `DiskFull`, `CannotWrite`, and `BadArgument` for another URL.
        """
        url = database_url(url_or_path)
        file = database_file(url)
        # One process at a time: switching to WAL and migrating both want the file for themselves.
        turn = nullcontext() if file is None else process_lock(Path(f"{file}.lock"))
        with turn:
            if file is not None:
                create_private(file)
            try:
                connection = connect(url)
                try:
                    upgrade_sqlite(connection, metadata, migrations)
                except BaseException:
                    connection.close()
                    connection.engine.dispose()
                    raise
            except (SQLAlchemyError, pysqlite3.dbapi2.Error) as fault:
                raise database_error(fault) from fault
        return cls(GroupCommit(connection), None if file is None else url)

    def __init__(self, writer: GroupCommit, url: URL | None) -> None:
        """Use `open_file`. url: where another connection finds the same database, if anywhere."""
        self._writer = writer
        self._url = url
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._turn = threading.Lock()  # held while a batch is carried out
        self._holder: int | None = None
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def shared(self) -> bool:
        """See `Database`: group commit wants one writer."""
        return False

    def lease(self, name: str) -> Lease:
        """See `Database`: the one server of a home holds every lease."""
        return AlwaysHeld()

    @property
    def commits(self) -> int:
        """Durable commits so far that wrote something."""
        return self._writer.commits

    @property
    def decisions(self) -> int:
        """Transactions so far that wrote something and are durable."""
        return self._writer.decisions

    async def run(
        self,
        transaction: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `transaction(connection, *args, **kwargs)` on the writer thread and commit it.

        What the transaction raises undoes it and propagates, except that an uncaught
        SQLAlchemyError becomes `DatabaseFailure` or `DiskFull`. A cancelled caller's transaction
        may have been committed or not. Raises `ServerBusy` when too many are waiting.
        """
        if self._thread is None:
            self._start_thread()
        if self._queue.qsize() >= TRANSACTIONS_WAITING_MAX:
            raise ServerBusy
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(Job(transaction, args, kwargs, loop, future))
        if self._closed:
            self._refuse_waiting()
        return await future

    def run_now(
        self,
        transaction: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `run`, on the calling thread, for commands and simulators. Blocks."""
        if self._holder == threading.get_ident():
            raise Misuse("A transaction was run inside a transaction.")
        job = Job(transaction, args, kwargs, None, None)
        with self._turn:
            if self._closed:
                raise _closed_error()
            self._carry_out([job])
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def read_now(
        self,
        reading: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Database`. The WAL grows while it lasts. Raises ReadingStopped, at a limit."""
        if self._url is None:
            return self.run_now(reading, *args, **kwargs)
        with self._typed_errors(), reading_connection(self._url) as connection:
            return reading(connection, *args, **kwargs)

    def read_long(
        self,
        reading: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Database`: of a private copy, which needs the file's size on its disk."""
        file = None if self._url is None else database_file(self._url)
        if file is None:
            return self.run_now(reading, *args, **kwargs)
        with self._typed_errors(), copied_connection(file) as connection:
            return reading(connection, *args, **kwargs)

    @property
    def log_bytes(self) -> int:
        """See `Database`: the size of the WAL."""
        file = None if self._url is None else database_file(self._url)
        return 0 if file is None else log_bytes(file)

    @contextmanager
    def _typed_errors(self) -> Iterator[None]:
        if self._closed:
            raise _closed_error()
        try:
            yield
        except (SQLAlchemyError, pysqlite3.dbapi2.Error) as fault:
            raise database_error(fault) from fault

    def close(self) -> None:
        """Finish what is waiting, then close. Closing twice is fine."""
        with self._start:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._queue.put(None)
            thread.join()
        self._refuse_waiting()
        with self._turn:
            self._writer.close()

    async def aclose(self) -> None:
        """`close` without blocking the event loop."""
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def _start_thread(self) -> None:
        with self._start:
            if self._closed:
                raise _closed_error()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="database", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._next_batch()
            if batch:
                with self._turn:
                    self._carry_out(batch)
                _deliver(batch)
                del batch  # an idle thread must not keep the last answers alive

    def _next_batch(self) -> tuple[list[Job], bool]:
        """Wait for one job, then take whatever else is there. False after the last batch."""
        batch: list[Job] = []
        job = self._queue.get()
        while job is not None:
            if job.future is None or not job.future.cancelled():
                batch.append(job)
            if len(batch) >= TRANSACTIONS_PER_COMMIT_MAX:
                return batch, True
            try:
                job = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _carry_out(self, batch: list[Job]) -> None:
        self._holder = threading.get_ident()
        try:
            self._writer.carry_out(batch)
        except Exception as fault:
            # The writer thread must outlive its own bugs, and every caller must hear something.
            for job in batch:
                job.error = job.error or database_error(fault)
        finally:
            self._holder = None

    def _refuse_waiting(self) -> None:
        """Answer the jobs that will no longer be carried out."""
        late: list[Job] = []
        last = False
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                last = True
            else:
                job.error = _closed_error()
                late.append(job)
        if last:
            self._queue.put(None)  # it was meant for the thread
        _deliver(late)


def _closed_error() -> DatabaseFailure:
    return DatabaseFailure("It has been closed.")


def _deliver(batch: list[Job]) -> None:
    """Hand every outcome to its event loop, with one wake-up per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in batch:
        if job.loop is not None:
            by_loop.setdefault(job.loop, []).append(job)
    for loop, jobs in by_loop.items():
        # A closed loop has nobody left to tell; what was committed stays committed.
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(_settle, jobs)
            except RuntimeError:
                continue  # it closed just now


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        future = job.future
        if future is None or future.done():
            continue  # the caller was cancelled
        if job.error is None:
            future.set_result(job.result)
        else:
            future.set_exception(job.error)
