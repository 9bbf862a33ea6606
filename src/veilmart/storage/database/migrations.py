"""Alembic without its configuration file: a role's revisions, applied in one transaction.

Revisions run on SQLite and on PostgreSQL; where these differ they ask `op.get_bind().dialect`.

A role keeps its revisions in `<role>/migrations/versions/NNNN_what.py`. The revision id is the
file's first four characters, and the files form one line, each naming the one before as its
`down_revision`.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import Connection, MetaData, text

from veilmart.errors import DatabaseFailure, Misuse
from veilmart.storage.database.sqlite_engine import begin_immediate

_REVISION_CHARACTERS = 4
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_IS_TABLE = text("SELECT to_regclass('alembic_version')")
_VERSION = text("SELECT version_num FROM alembic_version")


def versions_folder(migrations: ModuleType | Path | str) -> Path:
    """The folder with the revision files of a migrations package, module or folder."""
    if isinstance(migrations, ModuleType):
        places = list(getattr(migrations, "__path__", []))
        if not places:
            raise Misuse("The migrations have to be a package.")
        folder = Path(places[0])
    else:
        folder = Path(migrations)
    return folder if folder.name == "versions" else folder / "versions"


def latest_revision(versions: Path) -> str:
    """The newest revision id by file name. Raises `Misuse` when there are none."""
    names = sorted(file.name for file in versions.glob("[0-9]*.py"))
    if not names:
        raise Misuse("There are no migrations.")
    return names[-1][:_REVISION_CHARACTERS]


def upgrade_sqlite(
    connection: Connection, metadata: MetaData, migrations: ModuleType | Path | str
) -> None:
    """Bring a SQLite database to the newest revision: all missing revisions or none.

    Raises `DatabaseFailure` when the database is newer than the program, or when a revision
    leaves a reference to nothing.
    """
    versions = versions_folder(migrations)
    latest = latest_revision(versions)
    raw: Any = connection.connection.driver_connection
    if _current_sqlite(raw) == latest:
        return
    # Rebuilding a table drops it for a moment; enforced references would delete what hangs on it.
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        begin_immediate(raw)
        try:
            if _current_sqlite(raw) != latest:
                # SQLAlchemy has to believe in an outer transaction, or Alembic makes one each.
                connection.begin()
                _run(connection, metadata, versions)
                _check_reached(_current_sqlite(raw), latest)
                _check_references(raw)
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
    finally:
        raw.execute("PRAGMA foreign_keys=ON")


def upgrade_postgres(
    connection: Connection, metadata: MetaData, migrations: ModuleType | Path | str, schema: str
) -> None:
    """The same for PostgreSQL, in `schema`. One process at a time: the others wait for it.

    Everything, tables too, is one transaction: an interrupted migration leaves nothing behind.
    """
    versions = versions_folder(migrations)
    latest = latest_revision(versions)
    with connection.begin():
        if _current_postgres(connection) == latest:
            return
        connection.execute(_ONE_AT_A_TIME, {"name": f"veilmart migration {schema}"})
        if _current_postgres(connection) == latest:
            return
        connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        migrate_within(connection, metadata, migrations)


def migrate_within(
    connection: Connection, metadata: MetaData, migrations: ModuleType | Path | str
) -> None:
    """The same inside the caller's transaction on PostgreSQL, where the schema is there."""
    versions = versions_folder(migrations)
    _run(connection, metadata, versions)
    _check_reached(_current_postgres(connection), latest_revision(versions))


def _current_sqlite(raw: Any) -> str | None:
    try:
        row = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    except dbapi2.OperationalError:
        return None  # a new database: Alembic has not made its table yet
    return None if row is None else str(row[0])


def _current_postgres(connection: Connection) -> str | None:
    if connection.execute(_IS_TABLE).scalar() is None:
        return None
    version = connection.execute(_VERSION).scalar_one_or_none()
    return None if version is None else str(version)


def _check_references(raw: Any) -> None:
    if raw.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise DatabaseFailure("A migration left a reference to nothing.")


def _check_reached(current: str | None, latest: str) -> None:
    if current != latest:
        raise Misuse("A revision id differs from its file's first four characters.")


def _run(connection: Connection, metadata: MetaData, versions: Path) -> None:
    # Alembic takes a tenth of a second to import; a command on a current database never needs it.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    script = ScriptDirectory(str(versions.parent), version_locations=[str(versions)])

    def missing(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)

    try:
        with EnvironmentContext(Config(), script, fn=missing) as environment:
            environment.configure(
                connection=connection, target_metadata=metadata, render_as_batch=True
            )
            environment.run_migrations()
    except CommandError as fault:
        raise DatabaseFailure("It was made by a newer version of veilmart.") from fault
