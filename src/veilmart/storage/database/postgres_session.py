"""One session with PostgreSQL: opened, set up and verified before anything runs on it.

The settings are made after connecting and read back, because a pooler may ignore what is asked for
at start-up. A session that cannot keep them, or whose server takes no writes, is closed again: it
never reaches the pool.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from veilmart.errors import DatabaseAway, PoolerUnfit
from veilmart.limits import CONNECT_SECONDS, DATABASE_BUSY_SECONDS

_KEEPALIVE_SECONDS = 2  # between probes of a peer that has not been heard for a while
_SET = """SELECT set_config('search_path', %(schema)s, false),
    set_config('lock_timeout', %(wait)s, false),
    set_config('idle_in_transaction_session_timeout', %(idle)s, false),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)"""
_IS_STANDBY = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"
_KEPT = """SELECT current_setting('search_path') = %(schema)s
    AND current_setting('lock_timeout')::interval = %(wait)s::interval
    AND current_setting('idle_in_transaction_session_timeout')::interval = %(idle)s::interval
    AND current_setting('synchronous_commit') IN ('on', 'remote_apply')
    AND current_setting('transaction_isolation') = 'serializable'"""
_SERVER_PROCESS = "SELECT pg_backend_pid()"
_NO_TRANSACTIONS = "statement pooling mode"  # PgBouncer's words for what only it has
_TURNS = (0, 0, 1, 0, 0, 1)


class _IntegerLoader(Loader):
    """The sum of a column of integers comes as NUMERIC; there is no other NUMERIC here."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))


def connect_parameters(address: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """For `psycopg.connect`: a dead peer is noticed in time; of several hosts, the primary."""
    several = "," in str(address.get("host") or address.get("hostaddr") or "")
    wanted = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": DATABASE_BUSY_SECONDS * 1000,
        "keepalives_idle": DATABASE_BUSY_SECONDS,
        "keepalives_interval": _KEEPALIVE_SECONDS,
        "application_name": schema,
    }
    wanted |= {"target_session_attrs": "read-write"} if several else {}
    return wanted | dict(address)


def open_session(parameters: Mapping[str, Any], schema: str) -> psycopg.Connection:
    """Raises psycopg.Error, DatabaseAway (a standby), PoolerUnfit."""
    session = psycopg.connect(**parameters)
    try:
        _set_up(session, schema)
    except BaseException:
        session.close()
        raise
    return session


def _set_up(session: psycopg.Connection, schema: str) -> None:
    session.adapters.register_loader("numeric", _IntegerLoader)
    session.autocommit = True
    if _one(session, _IS_STANDBY):
        raise DatabaseAway("What answers is a standby: it takes no writes.")
    wait = DATABASE_BUSY_SECONDS
    values = {"schema": schema, "wait": f"{wait}s", "idle": f"{3 * wait}s"}
    _one(session, _SET, values)
    session.autocommit = False
    session.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    try:
        kept = _one(session, _KEPT, values)
    except psycopg.errors.ProtocolViolation as fault:
        if _NO_TRANSACTIONS in str(fault):
            raise PoolerUnfit("It keeps neither sessions nor transactions.") from fault
        raise
    if not kept:
        raise PoolerUnfit("Settings made in a session were not there a moment later.")
    session.rollback()
    session.isolation_level = None


def is_pooled(session: psycopg.Connection) -> bool:
    """Whether something between here and the server answers in the server's name."""
    return bool(session.info.backend_pid != _one(session, _SERVER_PROCESS))


def check_sessions_kept(first: psycopg.Connection, second: psycopg.Connection) -> None:
    """Raises PoolerUnfit unless each of two open sessions has one server process of its own.

    A pooler in transaction mode gives a session whatever process is free: the same one to both,
    or, when it takes them in turns, another one each time.
    """
    sessions = (first, second)
    found = [(turn, _one(sessions[turn], _SERVER_PROCESS)) for turn in _TURNS]
    if len(set(found)) != len(sessions) or len({process for _, process in found}) != len(sessions):
        raise PoolerUnfit("It gives the sessions of one program to different server processes.")


def _one(session: psycopg.Connection, query: str, values: Mapping[str, Any] | None = None) -> Any:
    row = session.execute(query.encode(), values, prepare=False).fetchone()
    return None if row is None else row[0]
