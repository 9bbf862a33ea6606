"""All rows of one database into another of the same tables, whichever engine either is.

A backup is a SQLite file whatever the role runs on. So a home on PostgreSQL is backed up by copying
one snapshot of it into such a file, and restored, or moved there from SQLite, by copying it back.
"""

from pathlib import Path
from types import ModuleType

from sqlalchemy import Connection, MetaData, Table, delete, func, insert, select, text

from veilmart.errors import Misuse
from veilmart.storage.database.sqlite_database import SqliteDatabase

_ROWS_AT_ONCE = 1000
_LASTING = text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
    "AND relkind = 'r' AND relpersistence = 'p'"
)
_SERIAL = text("SELECT pg_get_serial_sequence(:table, :column)")
_LAST_NUMBER = text("SELECT pg_sequence_last_value(CAST(:sequence AS regclass))")
_MOVE_SERIAL = text("SELECT setval(CAST(:sequence AS regclass), :value)")
_AUTOINCREMENT = text("SELECT name, seq FROM sqlite_sequence")
_HAS_AUTOINCREMENT = text("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'")
_FORGET_AUTOINCREMENT = text("DELETE FROM sqlite_sequence WHERE name = :name")
_MOVE_AUTOINCREMENT = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :value)")


def copy_to_file(
    source: Connection, target: Path, metadata: MetaData, migrations: ModuleType
) -> None:
    """A reading of PostgreSQL: everything that lasts, into a new SQLite file.

    Raises Misuse for a table that `metadata` does not know, StorageFailures.
    """
    lasting = set(source.execute(_LASTING).scalars())
    unknown = lasting - set(metadata.tables) - {"alembic_version"}
    if unknown:
        raise Misuse(f"The tables {', '.join(sorted(unknown))} would not be in the backup.")
    file = SqliteDatabase.open_file(target, metadata, migrations)
    try:
        file.run_now(copy_rows, source, metadata)
        file.run_now(_move_autoincrement, _postgres_numbers(source, metadata))
    finally:
        file.close()


def copy_rows(target: Connection, source: Connection, metadata: MetaData) -> None:
    """Transaction: replace the first rows, which the migrations made, by those of `source`."""
    for table in reversed(metadata.sorted_tables):
        target.execute(delete(table))
    for table in metadata.sorted_tables:
        rows = source.execution_options(stream_results=True).execute(select(table))
        for some in rows.partitions(_ROWS_AT_ONCE):
            target.execute(insert(table), [dict(row._mapping) for row in some])


def move_serials(target: Connection, source: Connection, metadata: MetaData) -> None:
    """Transaction on PostgreSQL: numbers go on above every one that SQLite has given."""
    given: dict[str, int] = {}
    if source.execute(_HAS_AUTOINCREMENT).scalar_one():
        given = {str(name): int(number) for name, number in source.execute(_AUTOINCREMENT)}
    for table, sequence in _serials(target, metadata):
        (column,) = table.primary_key.columns
        newest = target.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
        last = max(int(newest), given.get(table.name, 0))
        if last:
            target.execute(_MOVE_SERIAL, {"sequence": sequence, "value": last})


def _serials(connection: Connection, metadata: MetaData) -> list[tuple[Table, str]]:
    """Tables that PostgreSQL numbers, with their sequences."""
    found = []
    for table in metadata.sorted_tables:
        if len(table.primary_key.columns) != 1:
            continue
        (column,) = table.primary_key.columns
        asked = {"table": table.name, "column": column.name}
        sequence = connection.execute(_SERIAL, asked).scalar()
        if sequence is not None:
            found.append((table, str(sequence)))
    return found


def _postgres_numbers(source: Connection, metadata: MetaData) -> dict[str, int]:
    """Table → the last number given, for those that never give one twice."""
    numbers = {}
    for table, sequence in _serials(source, metadata):
        if table.dialect_options["sqlite"]["autoincrement"]:
            last = source.execute(_LAST_NUMBER, {"sequence": sequence}).scalar()
            numbers[table.name] = int(last or 0)
    return numbers


def _move_autoincrement(target: Connection, numbers: dict[str, int]) -> None:
    for name, number in numbers.items():
        target.execute(_FORGET_AUTOINCREMENT, {"name": name})
        target.execute(_MOVE_AUTOINCREMENT, {"name": name, "value": number})
