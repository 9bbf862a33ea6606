"""Many small transactions, one fsync: the batch that a database's writer carries out.

Rules, in the order they are kept:
1. BEGIN IMMEDIATE, so no transaction of the batch ever meets a stale snapshot.
2. Each transaction in a savepoint of its own. What it raises undoes it alone and goes to its
   own caller. A batch of one needs no savepoint.
3. One COMMIT. SQLite syncs only when a page changed.
4. Only then do callers get their results. When COMMIT fails, all of them get that error instead.
"""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import Connection, Result
from sqlalchemy.exc import SQLAlchemyError

from veilmart.errors import DatabaseFailure, Misuse, StorageFailure, VeilmartError
from veilmart.storage.database.sqlite_engine import begin_immediate
from veilmart.storage.files.disk_errors import database_error


class Job:
    """One waiting transaction and, once its batch is over, its outcome."""

    __slots__ = ("args", "error", "function", "future", "kwargs", "loop", "result")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        loop: AbstractEventLoop | None,
        future: "Future[Any] | None",
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.loop = loop
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class GroupCommit:
    """Carries out batches on one connection. Not thread-safe: one batch at a time.

    commits: batches that wrote something and are durable.
    decisions: transactions that wrote something and are durable.
    """

    def __init__(self, connection: Connection) -> None:
        self.commits = 0
        self.decisions = 0
        self._engine = connection.engine
        self._connection = connection
        self._raw: Any = connection.connection.driver_connection

    def carry_out(self, jobs: Sequence[Job]) -> None:
        """Run every job and commit. Never raises for a job: outcomes are in `result`, `error`."""
        try:
            begin_immediate(self._raw)
            wrote = self._run_alone(jobs[0]) if len(jobs) == 1 else self._run_each(jobs)
            if self._raw.in_transaction:
                self._raw.execute("COMMIT")
            else:
                self._renew()
        except dbapi2.Error as fault:
            self._fail(jobs, fault)
            self._reset()
        else:
            self.commits += wrote > 0
            self.decisions += wrote

    def close(self) -> None:
        """Close the connection; SQLite folds the WAL into the database."""
        self._connection.close()
        self._engine.dispose()

    def _run_alone(self, job: Job) -> int:
        before = self._raw.total_changes
        if not self._attempt(job):
            self._undo("ROLLBACK")
            return 0
        return int(self._raw.total_changes != before)

    def _run_each(self, jobs: Sequence[Job]) -> int:
        execute = self._raw.execute
        wrote = 0
        for job in jobs:
            before = self._raw.total_changes
            execute("SAVEPOINT decision")
            if self._attempt(job):
                execute("RELEASE decision")
                wrote += self._raw.total_changes != before
                continue
            self._undo("ROLLBACK TO decision")
            self._undo("RELEASE decision")
            if not self._raw.in_transaction:
                # A full disk or a failed read made SQLite undo the whole batch on the spot.
                self._fail(jobs, job.error)
                return 0
        return wrote

    def _attempt(self, job: Job) -> bool:
        """Run one job. False when what it wrote has to be undone."""
        connection = self._connection
        try:
            job.result = job.function(connection, *job.args, **job.kwargs)
        except (SQLAlchemyError, dbapi2.Error) as fault:
            job.error = database_error(fault)
            job.error.__cause__ = fault
        except BaseException as error:  # it belongs to the caller, not to the thread
            job.error = Misuse("A transaction ended early.") if _unsendable(error) else error
        else:
            job.error = self._broken_rule(job)
        return job.error is None

    def _broken_rule(self, job: Job) -> Misuse | None:
        if not self._raw.in_transaction:
            return Misuse("A transaction committed or rolled back on its own.")
        if self._connection.in_nested_transaction():
            return Misuse("A transaction left a savepoint open.")
        if isinstance(job.result, Result):
            return Misuse("A transaction returned an open result.")
        return None

    def _undo(self, statement: str) -> None:
        if not self._raw.in_transaction:
            return
        try:
            self._raw.execute(statement)
        except dbapi2.Error:
            self._reset()
        if self._connection.in_nested_transaction():
            self._renew()

    def _fail(self, jobs: Sequence[Job], fault: BaseException | None) -> None:
        for job in jobs:
            if job.error is None:
                job.error = _shared_error(fault)
                job.result = None

    def _reset(self) -> None:
        """Leave no transaction behind, on either level, after something went wrong."""
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")
        self._renew()

    def _renew(self) -> None:
        """A fresh SQLAlchemy connection on the same SQLite one: the old one lost count."""
        old, self._connection = self._connection, self._engine.connect()
        old.close()


def _shared_error(fault: BaseException | None) -> VeilmartError:
    """The error for one caller of a fault that hit the whole group."""
    if isinstance(fault, StorageFailure | Misuse):
        return type(fault)(fault.detail)
    error = database_error(fault) if isinstance(fault, Exception) else DatabaseFailure()
    error.__cause__ = fault
    return error


def _unsendable(error: BaseException) -> bool:
    """A StopIteration cannot be set on a future."""
    return isinstance(error, StopIteration)
