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
_POSTGRES_SCAN = re.compile(r"Seq Scan on (\w+)")


@contextmanager
def recorded() -> Iterator[dict[str, Statement]]:
    """Distinct statements of every transaction inside the block; those of readings are left out."""
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
        if not getattr(reading, "on", False) and statement.lstrip().upper().startswith(_WORDS):
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
