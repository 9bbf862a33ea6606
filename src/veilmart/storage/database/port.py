"""The database of a role: plain functions of a connection, each one transaction.

A transaction is a synchronous function of a SQLAlchemy `Connection` that is safe to run again: it
never commits, keeps nothing outside the database, and returns plain values, not open results.
One file per engine: sqlite_database.py, postgres_database.py; open_database.py chooses.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from veilmart.storage.database.lease import Lease

P = ParamSpec("P")
T = TypeVar("T")


class Database(Protocol):
    """What roles see. Commit before you answer: no caller gets a result before it is durable.

    Several processes may have the same database open.
    """

    @property
    def shared(self) -> bool:
        """Whether several servers may work on it at once."""
        ...

    @property
    def commits(self) -> int:
        """Durable commits so far that wrote something."""
        ...

    @property
    def decisions(self) -> int:
        """Transactions so far that wrote something and are durable."""
        ...

    async def run(
        self,
        transaction: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `transaction(connection, *args, **kwargs)` on another thread and commit it.

        What the transaction raises undoes it and propagates, except that an uncaught
        SQLAlchemyError becomes `DatabaseFailure`, `DatabaseAway` or `DiskFull`. A cancelled
        caller's transaction may have been committed or not. Raises `ServerBusy` when too many
        are waiting.
        """
        ...

    def run_now(
        self,
        transaction: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `run`, on the calling thread, for commands and simulators. Blocks."""
        ...

    def read_now(
        self,
        reading: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `run_now` for what only reads, however long: one snapshot that blocks nobody.

        It has a connection of its own, so others go on writing meanwhile and it sees nothing of
        that. Writing raises. A database in memory has but one connection: there others wait.
        Minutes are too long for it: see `read_long`.
        """
        ...

    def read_long(
        self,
        reading: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `read_now` for what may take minutes.

        SQLite cannot shorten its log while a snapshot is open, so there it reads a private copy,
        made first and gone afterwards. Raises DiskFull when there is no room for that.
        """
        ...

    @property
    def log_bytes(self) -> int:
        """The size of what was committed and is not in the database's file yet; 0 elsewhere."""
        ...

    def lease(self, name: str) -> Lease:
        """The right to do what only one server at a time may do; asked for by `Lease.held`."""
        ...

    def close(self) -> None:
        """Finish what is waiting, then close. Closing twice is fine."""
        ...

    async def aclose(self) -> None:
        """`close` without blocking the event loop."""
        ...
