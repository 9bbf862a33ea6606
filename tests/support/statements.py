"""The statements of transactions while something is done, and how a database finds their rows."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from veilmart.storage.database import prepared
from veilmart.storage.database.postgres_database import PostgresDatabase
from veilmart.storage.database.sqlite_database import SqliteDatabase

Statement = tuple[str, Any]
"""The SQL as the driver gets it, and parameters that were bound."""

_WORDS = ("SELECT", "UPDATE", "DELETE", "WITH", "INSERT")
_SQLITE_SCAN = re.compile(r"SCAN (\w+)")
_SQLITE_SORT = re.compile(r"USE TEMP B-TREE FOR (ORDER|GROUP) BY")
_POSTGRES_SCAN = re.compile(r"Seq Scan on (\w+)")


@contextmanager
def recorded(*, readings: bool = False) -> Iterator[dict[str, Statement]]:
    """Distinct statements of every transaction inside the block; of readings only if asked."""
    reading = threading.local()

    def watched(read_now: Any) -> Any:
        def read(*args: Any, **kwargs: Any) -> Any:
            reading.on = True
            try:
                return read_now(*args, **kwargs)
            finally:
                reading.on = False

        return read

    found: dict[str, Statement] = {}

    def keep(statement: str, parameters: Any) -> None:
        left_out = getattr(reading, "on", False) and not readings
        if not left_out and statement.lstrip().upper().startswith(_WORDS):
            found.setdefault(statement, (statement, parameters))

    def note(
        _conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        keep(statement, parameters[0] if many else parameters)

    def execute(raw: Any, statement: str, values: Any) -> Any:
        keep(statement, values)
        return honest(raw, statement, values)

    honest = prepared.execute
    event.listen(Engine, "before_cursor_execute", note)
    patch = pytest.MonkeyPatch()
    patch.setattr(prepared, "execute", execute)
    for kind in (SqliteDatabase, PostgresDatabase):
        for name in ("read_now", "read_long"):
            patch.setattr(kind, name, watched(getattr(kind, name)))
    try:
        yield found
    finally:
        patch.undo()
        event.remove(Engine, "before_cursor_execute", note)


def scans_sqlite(raw: Any, statement: Statement) -> set[str]:
    """Tables that the statement reads from end to end, by name or alias."""
    rows = raw.execute("EXPLAIN QUERY PLAN " + statement[0], statement[1]).fetchall()
    return {name for row in rows for name in _SQLITE_SCAN.findall(str(row[3]))}


def sorts_sqlite(raw: Any, statement: Statement) -> list[str]:
    """What SQLite would hold in memory to sort or group the statement's rows."""
    rows = raw.execute("EXPLAIN QUERY PLAN " + statement[0], statement[1]).fetchall()
    return [str(row[3]) for row in rows if _SQLITE_SORT.match(str(row[3]))]


def sorts(conn: Any, statements: dict[str, Statement]) -> dict[str, list[str]]:
    """Transaction on SQLite: the statements that sort."""
    raw = conn.connection.driver_connection
    found = {sql: sorts_sqlite(raw, statement) for sql, statement in statements.items()}
    return {sql: plan for sql, plan in found.items() if plan}


def scans_postgres(cursor: Any, statement: Statement) -> set[str]:
    """The same; the planner is told that reading a table from end to end is expensive."""
    cursor.execute("SET LOCAL enable_seqscan = off")
    cursor.execute("EXPLAIN " + statement[0], statement[1])
    return {name for (line,) in cursor.fetchall() for name in _POSTGRES_SCAN.findall(line)}


def scans(conn: Any, statement: Statement) -> set[str]:
    """Transaction: the same on either database."""
    raw = conn.connection.driver_connection
    if conn.dialect.name == "sqlite":
        return scans_sqlite(raw, statement)
    with raw.cursor() as cursor:
        return scans_postgres(cursor, statement)
