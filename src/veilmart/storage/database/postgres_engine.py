"""Connections to PostgreSQL: a bounded pool, and what its errors mean."""

from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import (
    DBAPIError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError as PoolTimeout,
)

from veilmart.errors import DatabaseAway, DatabaseFailure, DiskFull, ServerBusy, VeilmartError
from veilmart.limits import DATABASE_BUSY_SECONDS, DATABASE_CONNECTIONS_MAX
from veilmart.storage.database.postgres_address import PostgresAddress
from veilmart.storage.database.postgres_session import (
    check_sessions_kept,
    connect_parameters,
    is_pooled,
    open_session,
)

WROTE = "wrote"
"""Key of a connection's `info`: whether its present transaction has changed a row."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_RUN_AGAIN = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
# The server stops, crashed, starts, lost the database, closed an idle session; takes no writes;
# a standby has no serializable level, and a plan made before a migration no use; disk errors.
_UNFIT = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "25006", "0A000", "55000"})
_UNFIT |= {"58000", "58030"}
_NO_ROOM = frozenset({"53100"})
_TOO_MUCH = frozenset({"53300", "55P03"})  # too_many_connections, lock_not_available
_UNIQUE = "23505"
_OVERFLOW = 4  # commands and start-up beside the worker threads


def postgres_engine(address: PostgresAddress, schema: str) -> Engine:
    """A pool of `DATABASE_CONNECTIONS_MAX` connections whose tables lie in `schema`.

    A dead peer is noticed within `DATABASE_BUSY_SECONDS`; nobody waits longer for a lock. An error
    that says that its server takes no writes makes the pool replace every connection that it has.
    """
    parameters = connect_parameters(address.parameters, schema)
    engine = create_engine(
        "postgresql+psycopg://",
        pool_size=DATABASE_CONNECTIONS_MAX,
        max_overflow=_OVERFLOW,
        pool_timeout=DATABASE_BUSY_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,
        isolation_level="SERIALIZABLE",
    )

    def do_connect(_dialect: Any, _record: Any, _args: Any, given: dict[str, Any]) -> Any:
        try:
            return open_session({**given, **parameters}, schema)
        except psycopg.OperationalError as fault:
            clean = type(fault)(address.without_password(str(fault)))
        raise clean  # here, so that no chain of errors leads to what libpq said

    event.listen(engine, "do_connect", do_connect)
    event.listen(engine, "after_cursor_execute", _note_writing)
    event.listen(engine, "handle_error", _drop_unfit)
    return engine


def check_pooler(engine: Engine) -> None:
    """Raises PoolerUnfit when a pooler stands before the server and does not keep sessions."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as first:
        if is_pooled(_session(first)):
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as second:
                check_sessions_kept(_session(first), _session(second))


def _session(connection: Connection) -> psycopg.Connection:
    session: psycopg.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return session


def _drop_unfit(context: ExceptionContext) -> None:
    """One session whose server takes no writes: the others of the pool lead to the same server."""
    if _is_unfit(str(getattr(context.original_exception, "sqlstate", None) or "")):
        context.is_disconnect = True


def _note_writing(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
    if not statement.startswith("SELECT"):
        connection.info[WROTE] = True


def is_lost(fault: BaseException) -> bool:
    """Whether the connection is gone, and with it whatever was not committed."""
    if not isinstance(fault, DBAPIError):
        return False
    state = sqlstate(fault)
    return fault.connection_invalidated or _is_unfit(state)


def _is_unfit(state: str) -> bool:
    """Whether an error says that this session's server cannot take a write."""
    return state in _UNFIT or state.startswith("08")


def may_run_again(fault: BaseException) -> bool:
    """Whether PostgreSQL undid a transaction because it met another one."""
    return sqlstate(fault) in _RUN_AGAIN


def is_duplicate(fault: BaseException | None) -> bool:
    """Whether a unique key was there already, also when our own error was raised from that."""
    while fault is not None:
        if sqlstate(fault) == _UNIQUE:
            return True
        fault = fault.__cause__
    return False


def sqlstate(fault: BaseException) -> str:
    """Five characters, or "" when the error carries none."""
    origin = fault.orig if isinstance(fault, DBAPIError) else fault
    return str(getattr(origin, "sqlstate", None) or "")


def postgres_error(fault: SQLAlchemyError) -> VeilmartError:
    """As one of ours. The detail is PostgreSQL's first sentence, which holds no values."""
    state = sqlstate(fault)
    if state in _NO_ROOM:
        return DiskFull("The database could not grow.")
    if isinstance(fault, PoolTimeout) or state in _TOO_MUCH:
        return ServerBusy("The database has too much to do.")
    if is_lost(fault):
        return DatabaseAway()
    if isinstance(fault, OperationalError) and not state:
        # Connecting failed: the words name the server's address, never the password.
        return DatabaseAway(str(fault.orig).strip().splitlines()[0][:200])
    if isinstance(fault, DBAPIError):
        said = getattr(getattr(fault.orig, "diag", None), "message_primary", None)
        return DatabaseFailure(f"{type(fault).__name__}: {said or state or 'no reason given'}.")
    return DatabaseFailure(f"{type(fault).__name__}.")
