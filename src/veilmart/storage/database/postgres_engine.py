"""Connections to PostgreSQL: a bounded pool, and what its errors mean."""

from typing import Any

from psycopg.abc import Buffer
from psycopg.adapt import Loader
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError as PoolTimeout,
)

from veilmart.errors import (
    BadArgument,
    DatabaseAway,
    DatabaseFailure,
    DiskFull,
    ServerBusy,
    VeilmartError,
)
from veilmart.limits import (
    CONNECT_SECONDS,
    DATABASE_BUSY_SECONDS,
    DATABASE_CONNECTIONS_MAX,
)

WROTE = "wrote"
"""Key of a connection's `info`: whether its present transaction has changed a row."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_RUN_AGAIN = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_AWAY = frozenset({"57P01", "57P02", "57P03", "25006"})  # stopping, crashed, starting, a standby
_NO_ROOM = frozenset({"53100"})
_TOO_MUCH = frozenset({"53300", "55P03"})  # too_many_connections, lock_not_available
_UNIQUE = "23505"
_OVERFLOW = 4  # commands and start-up beside the worker threads


def postgres_url(text: str) -> URL:
    """For psycopg 3. Raises `BadArgument`; the text may hold a password and is not repeated."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as fault:
        raise BadArgument("That is not a database URL.") from fault
    return url.set(drivername="postgresql+psycopg")


def postgres_engine(url: URL, schema: str) -> Engine:
    """A pool of `DATABASE_CONNECTIONS_MAX` connections whose tables lie in `schema`.

    A dead peer is noticed within `DATABASE_BUSY_SECONDS`; nobody waits longer for a lock.
    """
    wait = DATABASE_BUSY_SECONDS * 1000
    settings = (
        f"-c search_path={schema} -c lock_timeout={wait} "
        f"-c idle_in_transaction_session_timeout={3 * wait} -c synchronous_commit=on"
    )
    given = url.query.get("options")
    engine = create_engine(
        url,
        pool_size=DATABASE_CONNECTIONS_MAX,
        max_overflow=_OVERFLOW,
        pool_timeout=DATABASE_BUSY_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,
        isolation_level="SERIALIZABLE",
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": f"{given} {settings}" if isinstance(given, str) else settings,
            "tcp_user_timeout": wait,
            "keepalives_idle": DATABASE_BUSY_SECONDS,
            "application_name": schema,
        },
    )
    event.listen(engine, "after_cursor_execute", _note_writing)
    event.listen(engine, "connect", _prepare)
    return engine


class _IntegerLoader(Loader):
    """The sum of a column of integers comes as NUMERIC; there is no other NUMERIC here."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))


def _prepare(raw: Any, _record: object) -> None:
    raw.adapters.register_loader("numeric", _IntegerLoader)


def _note_writing(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
    if not statement.startswith("SELECT"):
        connection.info[WROTE] = True


def is_lost(fault: BaseException) -> bool:
    """Whether the connection is gone, and with it whatever was not committed."""
    if not isinstance(fault, DBAPIError):
        return False
    state = sqlstate(fault)
    return fault.connection_invalidated or state in _AWAY or state.startswith("08")


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
