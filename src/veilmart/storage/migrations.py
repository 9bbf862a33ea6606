"""Alembic without its configuration file: a role's revisions, applied in one transaction.

A role keeps its revisions in `<role>/migrations/versions/NNNN_what.py`. The revision id is the
file's first four characters, and the files form one line, each naming the one before as its
`down_revision`.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import Connection, MetaData

from veilmart.errors import DatabaseFailure, Misuse
from veilmart.storage.sqlite_engine import begin_immediate

_REVISION_CHARACTERS = 4


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


def upgrade(
    connection: Connection, metadata: MetaData, migrations: ModuleType | Path | str
) -> None:
    """Bring the database to the newest revision: all missing revisions or none.

    Raises `DatabaseFailure` when the database is newer than the program, or when a revision
    leaves a reference to nothing.
    """
    versions = versions_folder(migrations)
    latest = latest_revision(versions)
    raw: Any = connection.connection.driver_connection
    if _current(raw) == latest:
        return
    # Rebuilding a table drops it for a moment; enforced references would delete what hangs on it.
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        begin_immediate(raw)
        try:
            _run(connection, metadata, versions, latest)
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
    finally:
        raw.execute("PRAGMA foreign_keys=ON")


def _current(raw: Any) -> str | None:
    try:
        row = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    except dbapi2.OperationalError:
        return None  # a new database: Alembic has not made its table yet
    return None if row is None else str(row[0])


def _run(connection: Connection, metadata: MetaData, versions: Path, latest: str) -> None:
    # Alembic takes a tenth of a second to import; a command on a current database never needs it.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    raw: Any = connection.connection.driver_connection
    if _current(raw) == latest:
        return
    script = ScriptDirectory(str(versions.parent), version_locations=[str(versions)])

    def missing(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)

    # SQLAlchemy has to believe in an outer transaction, or Alembic makes one per revision.
    connection.begin()
    try:
        with EnvironmentContext(Config(), script, fn=missing) as environment:
            environment.configure(
                connection=connection, target_metadata=metadata, render_as_batch=True
            )
            environment.run_migrations()
    except CommandError as fault:
        raise DatabaseFailure("It was made by a newer version of veilmart.") from fault
    if _current(raw) != latest:
        raise Misuse("A revision id differs from its file's first four characters.")
    if raw.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise DatabaseFailure("A migration left a reference to nothing.")
