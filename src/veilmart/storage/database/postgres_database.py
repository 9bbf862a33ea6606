"""A role's database on a PostgreSQL server, shared by any number of servers.

Every transaction runs on one of a bounded number of threads, at the level that isolation.py says,
and is run again when PostgreSQL undid it because it met another one. When the connection breaks:
- before COMMIT, nothing was done: it is run once more on a fresh connection;
- during COMMIT, nobody can tell. A `repeatable` transaction is run again. Of any other one the
  database is asked by the transaction's number whether it was committed, and only if it was not
  is it run again. A standby that has become the primary counts on from an older number: it cannot
  be asked, and the transaction fails with `DatabaseAway`.
An error that says that a session's server takes no writes empties the pool. While the server is
away every transaction fails with `DatabaseAway`, at once; when it is back the next one succeeds.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, MetaData, Result, text
from sqlalchemy.exc import SQLAlchemyError

from veilmart.errors import DatabaseAway, DatabaseFailure, Misuse, ServerBusy
from veilmart.limits import (
    DATABASE_BUSY_SECONDS,
    DATABASE_CONNECTIONS_MAX,
    TRANSACTIONS_WAITING_MAX,
)
from veilmart.storage.database.isolation import Isolation, is_repeatable, level_of
from veilmart.storage.database.lease import Lease
from veilmart.storage.database.migrations import upgrade_postgres
from veilmart.storage.database.port import Database
from veilmart.storage.database.postgres_address import postgres_address
from veilmart.storage.database.postgres_engine import (
    WROTE,
    check_pooler,
    is_duplicate,
    is_lost,
    may_run_again,
    postgres_engine,
    postgres_error,
)
from veilmart.storage.database.postgres_lease import PostgresLease

P = ParamSpec("P")
T = TypeVar("T")

_LOST_MAX = 1  # a restarted server breaks every pooled connection; a fresh one tells the truth
_DUPLICATES_MAX = 2
_PAUSE_FIRST_SECONDS = 0.001
_PAUSE_MAX_SECONDS = 0.1
# A timeline begins with each promotion of a standby; its number heads the names of WAL files.
_TIMELINE = "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"
_NUMBER = text(f"SELECT {_TIMELINE} || ' ' || pg_current_xact_id_if_assigned()")
_NOW_ON = text(f"SELECT {_TIMELINE}")
_ANSWERS = text("SELECT 1")
_OUTCOME = text("SELECT pg_xact_status(CAST(:number AS xid8))")


class _Again(Exception):
    """Nothing was done and it may be tried again. fault: what to say when it may not."""

    def __init__(self, fault: SQLAlchemyError) -> None:
        self.fault = fault


class PostgresDatabase(Database):
    """Use `connect`. Thread-safe."""

    @classmethod
    def connect(
        cls, url: str, metadata: MetaData, migrations: ModuleType | Path | str, schema: str
    ) -> "PostgresDatabase":
        """Connect and migrate. Raises `DatabaseAway`, `DatabaseFailure`, `PoolerUnfit`,
        `BadArgument`.
        """
        engine = postgres_engine(postgres_address(url), schema)
        try:
            check_pooler(engine)
            with engine.connect().execution_options(
                isolation_level=Isolation.STATEMENT.value
            ) as connection:
                upgrade_postgres(connection, metadata, migrations, schema)
        except BaseException as fault:
            engine.dispose()
            if isinstance(fault, SQLAlchemyError):
                raise postgres_error(fault) from fault
            raise
        return cls(engine, schema)

    def __init__(self, engine: Engine, schema: str) -> None:
        self._engine = engine
        self._schema = schema
        self._threads = ThreadPoolExecutor(DATABASE_CONNECTIONS_MAX, "database")
        self._waiting = 0
        self._here = threading.local()
        self._counting = threading.Lock()
        self._written = 0
        self._closed = False

    @property
    def shared(self) -> bool:
        """See `Database`."""
        return True

    @property
    def commits(self) -> int:
        """See `Database`."""
        return self._written

    @property
    def decisions(self) -> int:
        """See `Database`: here every decision is a commit of its own."""
        return self._written

    def lease(self, name: str) -> Lease:
        """See `Database`: an advisory lock, which ends with its connection."""
        return PostgresLease(self._engine, f"{self._schema} {name}")

    async def run(
        self,
        transaction: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Database`."""
        if self._closed:
            raise _closed_error()
        if self._waiting >= TRANSACTIONS_WAITING_MAX:
            raise ServerBusy
        loop = asyncio.get_running_loop()

        def work() -> T:
            return self.run_now(transaction, *args, **kwargs)

        self._count_waiting(1)
        try:
            return await loop.run_in_executor(self._threads, _without_stop_iteration, work)
        finally:
            self._count_waiting(-1)

    def run_now(
        self,
        transaction: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Database`."""
        if getattr(self._here, "busy", False):
            raise Misuse("A transaction was run inside a transaction.")
        if self._closed:
            raise _closed_error()
        self._here.busy = True
        try:
            return self._until_done(lambda conn: transaction(conn, *args, **kwargs), transaction)
        finally:
            self._here.busy = False

    def read_now(
        self,
        reading: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Database`."""
        if self._closed:
            raise _closed_error()
        try:
            with self._reader() as connection, connection.begin():
                return reading(connection, *args, **kwargs)
        except SQLAlchemyError as fault:
            raise postgres_error(fault) from fault

    def read_long(
        self,
        reading: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Database`. While it lasts, VACUUM removes no row that it might still see."""
        return self.read_now(reading, *args, **kwargs)

    @property
    def log_bytes(self) -> int:
        """See `Database`: the server keeps its own log short."""
        return 0

    def _reader(self) -> Connection:
        """A connection that has just answered: what reads is not run twice."""
        for last in range(_LOST_MAX, -1, -1):
            connection = self._engine.connect().execution_options(
                isolation_level=Isolation.SNAPSHOT.value, postgresql_readonly=True
            )
            try:
                with connection.begin():
                    connection.execute(_ANSWERS)
                break
            except SQLAlchemyError as fault:
                connection.close()
                if not last or not is_lost(fault):
                    raise
        return connection

    def close(self) -> None:
        """See `Database`."""
        self._threads.shutdown(wait=True)
        self._closed = True
        self._engine.dispose()

    async def aclose(self) -> None:
        """See `Database`."""
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def _count_waiting(self, change: int) -> None:
        with self._counting:
            self._waiting += change

    def _until_done(self, work: Callable[[Connection], T], marked: Callable[..., Any]) -> T:
        deadline = time.monotonic() + DATABASE_BUSY_SECONDS
        level, repeatable = level_of(marked), is_repeatable(marked)
        pause, lost, duplicates = _PAUSE_FIRST_SECONDS, 0, 0
        while True:
            try:
                return self._once(work, level, repeatable, deadline)
            except _Again as again:
                lost += is_lost(again.fault)
                if lost > _LOST_MAX or time.monotonic() >= deadline:
                    raise postgres_error(again.fault) from again.fault
            except Exception as fault:
                # Somebody else's commit made a key ours was to be: now it can be seen.
                if not is_duplicate(fault) or duplicates >= _DUPLICATES_MAX:
                    if isinstance(fault, SQLAlchemyError):
                        raise postgres_error(fault) from fault
                    raise
                duplicates += 1
            time.sleep(random.uniform(0, pause))
            pause = min(_PAUSE_MAX_SECONDS, pause * 2)

    def _once(
        self, work: Callable[[Connection], T], level: Isolation, repeatable: bool, deadline: float
    ) -> T:
        """One attempt. Raises `_Again`, or what the transaction itself raised."""
        try:
            connection = self._engine.connect()
        except SQLAlchemyError as fault:
            raise postgres_error(fault) from fault
        with connection:
            if level is not Isolation.SERIALIZABLE:
                connection.execution_options(isolation_level=level.value)
            connection.info.pop(WROTE, None)
            transaction = connection.begin()
            number = None
            try:
                result = work(connection)
                _check_rules(connection, transaction.is_active, result)
                wrote = WROTE in connection.info
                if wrote and not repeatable:
                    number = connection.execute(_NUMBER).scalar()
                    wrote = number is not None
            except BaseException as fault:
                _undo(transaction)
                if isinstance(fault, SQLAlchemyError) and (is_lost(fault) or may_run_again(fault)):
                    raise _Again(fault) from fault
                raise
            try:
                transaction.commit()
            except SQLAlchemyError as fault:
                _undo(transaction)
                lost = is_lost(fault)
                if may_run_again(fault) or (lost and (repeatable or not wrote)):
                    raise _Again(fault) from fault
                if not lost:
                    raise
                if not self._was_committed(str(number), deadline):
                    raise _Again(fault) from fault
        if wrote:
            with self._counting:
                self._written += 1
        return result

    def _was_committed(self, number: str, deadline: float) -> bool:
        """Ask until the database answers. Raises `DatabaseAway` when it does not in time, or when
        another server answers: what its transaction of that number did says nothing about ours.
        """
        timeline, _, transaction = number.partition(" ")
        while True:
            try:
                with self._engine.connect() as connection:
                    if connection.execute(_NOW_ON).scalar() != timeline:
                        raise DatabaseAway("Another server took over during the last change.")
                    outcome = connection.execute(_OUTCOME, {"number": transaction}).scalar()
                if outcome != "in progress":
                    return bool(outcome == "committed")
            except SQLAlchemyError as fault:
                error = postgres_error(fault)
                if not isinstance(error, DatabaseAway):
                    raise error from fault
            if time.monotonic() >= deadline:
                raise DatabaseAway("Whether the last change was made will show when it is back.")
            time.sleep(_PAUSE_MAX_SECONDS)


def _check_rules(connection: Connection, active: bool, result: object) -> None:
    if not active:
        raise Misuse("A transaction committed or rolled back on its own.")
    if connection.in_nested_transaction():
        raise Misuse("A transaction left a savepoint open.")
    if isinstance(result, Result):
        raise Misuse("A transaction returned an open result.")


def _undo(transaction: Any) -> None:
    try:
        transaction.rollback()
    except SQLAlchemyError:
        # The connection is gone; PostgreSQL undoes what it did not commit.
        transaction.connection.invalidate()


def _without_stop_iteration(work: Callable[[], T]) -> T:
    """A StopIteration cannot be set on a future."""
    try:
        return work()
    except StopIteration as fault:
        raise Misuse("A transaction ended early.") from fault


def _closed_error() -> DatabaseFailure:
    return DatabaseFailure("It has been closed.")
