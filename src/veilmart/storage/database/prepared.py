"""Statements of the hot path: compiled once, and on SQLite given to the driver as they are.

`Connection.execute` looks every statement up in SQLAlchemy's cache of compiled ones and makes an
execution context and a result for it. On SQLite that takes ten times what most statements take
themselves (measured: 36 us against 4 us for a look-up by primary key). A `Prepared` statement is
compiled for SQLite's driver when it is first run, by SQLAlchemy's public compiler, and afterwards
costs what the driver takes. On PostgreSQL, where a round trip costs more than both, it runs as any
other statement. Errors are SQLAlchemy's on both.

Values are of types that both drivers take as they are: integers, text, bytes, None. A column whose
type changes its values (a TypeDecorator) is refused. A statement has a fixed number of values, so
`IN` with a list is not for this.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from pysqlite3 import dbapi2
from sqlalchemy import Connection, Delete, Insert, Select, TextClause, Update, exc
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeDecorator

from veilmart.errors import Misuse

# Any: a row's columns have the types of the statement, which says them by place only.
Row: TypeAlias = tuple[Any, ...]
Values: TypeAlias = Mapping[str, Any]
Statement: TypeAlias = Select[Any] | Insert | Update | Delete | TextClause

_NO_VALUES: Final[Values] = {}
_WRAPPERS: Final = (
    (dbapi2.IntegrityError, exc.IntegrityError),
    (dbapi2.OperationalError, exc.OperationalError),
    (dbapi2.ProgrammingError, exc.ProgrammingError),
    (dbapi2.Error, exc.DatabaseError),
)


class Prepared:
    """One statement, for any connection. Thread-safe: compiling it twice does no harm."""

    __slots__ = ("_compiled", "_statement")

    def __init__(self, statement: Statement) -> None:
        """Its values are named by `bindparam`, those of an insert by its columns."""
        self._statement = statement
        self._compiled: dict[tuple[str, ...], tuple[str, Values]] = {}

    def rows(self, conn: Connection, values: Values = _NO_VALUES) -> list[Row]:
        """All rows."""
        if conn.dialect.name != "sqlite":
            return [tuple(row) for row in conn.execute(self._statement, values)]
        return self._on_sqlite(conn, values).fetchall()  # type: ignore[no-any-return]

    def row(self, conn: Connection, values: Values = _NO_VALUES) -> Row | None:
        """The only row, None if there is none. Raises Misuse where there are several."""
        found = self.rows(conn, values)
        if len(found) > 1:
            raise Misuse("A statement that finds one row at most found several.")
        return found[0] if found else None

    def first(self, conn: Connection, values: Values = _NO_VALUES) -> Row | None:
        """The first row of those it finds, None if there is none."""
        found = self.rows(conn, values)
        return found[0] if found else None

    def one(self, conn: Connection, values: Values = _NO_VALUES) -> Row:
        """The only row. Raises Misuse where there is none, or several."""
        found = self.row(conn, values)
        if found is None:
            raise Misuse("A statement that finds one row found none.")
        return found

    def value(self, conn: Connection, values: Values = _NO_VALUES) -> Any:
        """The only row's only column, None if there is no row. Raises as `row`."""
        found = self.row(conn, values)
        return None if found is None else found[0]

    def run(self, conn: Connection, values: Values = _NO_VALUES) -> int:
        """How many rows were written. For a statement that returns none."""
        if conn.dialect.name != "sqlite":
            return conn.execute(self._statement, values).rowcount
        return int(self._on_sqlite(conn, values).rowcount)

    def run_each(self, conn: Connection, many: Sequence[Values]) -> None:
        """Run it once with each of the values, which all have the same names."""
        if conn.dialect.name != "sqlite":
            conn.execute(self._statement, [dict(values) for values in many])
            return
        for values in many:
            self._on_sqlite(conn, values)

    def _on_sqlite(self, conn: Connection, values: Values) -> Any:
        """The driver's cursor."""
        names = tuple(values)
        found = self._compiled.get(names)
        if found is None:
            found = self._compiled[names] = compile_for_sqlite(self._statement, names)
        sql, constants = found
        raw: Any = conn.connection.driver_connection
        return execute(raw, sql, {**constants, **values} if constants else values)


def compile_for_sqlite(statement: Statement, names: Sequence[str]) -> tuple[str, Values]:
    """The SQL with named parameters, and those that have a value of their own.

    Raises Misuse where a column's type changes what is written or read.
    """
    dialect = sqlite.dialect(paramstyle="named")
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    read = () if isinstance(statement, TextClause) else statement.exported_columns
    for column in (*compiled.binds.values(), *read):
        if isinstance(column.type, TypeDecorator):
            raise Misuse(f"The driver does not convert {column.key} as its column's type does.")
    # One that is still missing is None here. It is left out, and the driver says what it lacks.
    constants = {n: v for n, v in compiled.params.items() if n not in names and v is not None}
    return str(compiled), constants


def execute(raw: Any, sql: str, values: Values) -> Any:
    """The cursor of a statement of SQLite's driver. Raises SQLAlchemy's DBAPIErrors."""
    try:
        return raw.execute(sql, values)
    except dbapi2.Error as fault:
        wrapper = next(ours for theirs, ours in _WRAPPERS if isinstance(fault, theirs))
        raise wrapper(sql, None, fault, hide_parameters=True) from fault
