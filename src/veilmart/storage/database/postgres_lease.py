"""A lease as a PostgreSQL advisory lock: it ends with the connection that took it."""

import asyncio

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from veilmart.errors import StorageFailure

_TAKE = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_ALIVE = text("SELECT NOT pg_is_in_recovery()")


class PostgresLease:
    """One connection, kept for as long as the lease is held and looked at each time."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = f"veilmart lease {name}"
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def held(self) -> bool:
        """See `Lease`."""
        async with self._turn:
            return await asyncio.to_thread(self._held)

    async def aclose(self) -> None:
        """See `Lease`."""
        async with self._turn:
            await asyncio.to_thread(self._let_go)

    def _held(self) -> bool:
        try:
            if self._connection is not None:
                if self._connection.execute(_ALIVE).scalar():
                    return True
                self._let_go()
            connection = self._engine.connect()
        except (SQLAlchemyError, StorageFailure):
            self._let_go()
            return False
        try:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            if connection.execute(_TAKE, {"name": self._name}).scalar():
                self._connection = connection
                return True
        except SQLAlchemyError:
            connection.invalidate()
        connection.close()
        return False

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Closing the session, not only returning it to the pool, is what frees the lock.
            connection.invalidate()
            connection.close()
