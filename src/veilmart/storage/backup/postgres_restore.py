"""Replacing a role's tables on a PostgreSQL server by a backup, in one transaction.

The earlier tables keep their rows under another schema name; nothing is deleted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from veilmart.errors import CannotWrite
from veilmart.storage.backup.backup import HomeLayout, Tables
from veilmart.storage.backup.row_copy import copy_rows, move_serials
from veilmart.storage.database.isolation import Isolation
from veilmart.storage.database.migrations import migrate_within
from veilmart.storage.database.postgres_address import postgres_address
from veilmart.storage.database.postgres_engine import check_pooler, postgres_engine, postgres_error
from veilmart.storage.database.sqlite_database import SqliteDatabase
from veilmart.storage.database.sqlite_engine import database_url
from veilmart.storage.database.sqlite_reading import reading_connection

_REPLACED_MAX = 1000
_EXISTS = text("SELECT to_regnamespace(:name) IS NOT NULL")
_IS_SET_UP = text("SELECT to_regclass(:name) IS NOT NULL")


def postgres_marks(url: str, layout: HomeLayout, tables: Tables) -> tuple[int, ...] | None:
    """The marks of the tables there; None when there are none. Raises StorageFailures."""
    with _connected(url, tables) as connection:
        version = {"name": f"{tables.schema}.alembic_version"}
        if not connection.execute(_IS_SET_UP, version).scalar_one():
            return None
        queries = layout.postgres_marks or layout.marks
        return tuple(int(connection.exec_driver_sql(q).scalar_one()) for q in queries)


def replace_tables(url: str, backup: Path, tables: Tables) -> str | None:
    """Fill fresh tables from a backup's SQLite file; the schema that keeps what was there.

    All or nothing. Raises StorageFailures.
    """
    # An older backup is brought to the newest revision first.
    SqliteDatabase.open_file(backup, tables.metadata, tables.migrations).close()
    with (
        reading_connection(database_url(backup)) as source,
        _connected(url, tables) as target,
    ):
        aside = _put_aside(target, tables.schema)
        target.exec_driver_sql(f'CREATE SCHEMA "{tables.schema}"')
        migrate_within(target, tables.metadata, tables.migrations)
        copy_rows(target, source, tables.metadata)
        move_serials(target, source, tables.metadata)
    return aside


def _put_aside(target: Connection, schema: str) -> str | None:
    if not target.execute(_EXISTS, {"name": schema}).scalar_one():
        return None
    for number in range(1, _REPLACED_MAX):
        aside = f"{schema}_replaced_{number}"
        if not target.execute(_EXISTS, {"name": aside}).scalar_one():
            target.exec_driver_sql(f'ALTER SCHEMA "{schema}" RENAME TO "{aside}"')
            return aside
    raise CannotWrite("Too many earlier schemas are kept; remove some.")


@contextmanager
def _connected(url: str, tables: Tables) -> Iterator[Connection]:
    """One transaction, committed at the end."""
    engine: Engine = postgres_engine(postgres_address(url), tables.schema)
    try:
        check_pooler(engine)
        with (
            engine.connect().execution_options(
                isolation_level=Isolation.STATEMENT.value
            ) as connection,
            connection.begin(),
        ):
            yield connection
    except SQLAlchemyError as fault:
        raise postgres_error(fault) from fault
    finally:
        engine.dispose()
