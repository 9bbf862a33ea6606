"""A new SQLite database as a copy of one that was migrated before: 3 ms instead of 40 to 100.

Only for the roles' own migrations and for files that are not there yet; those of tests, and older
databases, are migrated each time.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from sqlalchemy import MetaData

from tests.support.made_once import made_once
from veilmart.errors import BadArgument
from veilmart.storage.database.migrations import versions_folder
from veilmart.storage.database.sqlite_database import SqliteDatabase
from veilmart.storage.database.sqlite_engine import database_file, database_url

FILE = "empty.sqlite"

opened = SqliteDatabase.open_file


def install() -> None:
    """For the databases opened in this process from now on."""

    def open_file(
        url_or_path: str | Path, metadata: MetaData, migrations: ModuleType | Path | str
    ) -> SqliteDatabase:
        if isinstance(migrations, ModuleType):
            with suppress(BadArgument):
                file = database_file(database_url(url_or_path))
                if file is not None and file.parent.is_dir() and not file.exists():
                    _copy(_migrated(metadata, migrations), file)
        return opened(url_or_path, metadata, migrations)

    SqliteDatabase.open_file = staticmethod(open_file)  # type: ignore[method-assign]


def _migrated(metadata: MetaData, migrations: ModuleType) -> Path:
    """A closed database of this role, at its newest revision."""

    def make(folder: Path) -> None:
        opened(folder / FILE, metadata, migrations).close()

    versions = "\n".join(sorted(str(file) for file in versions_folder(migrations).glob("*.py")))
    return made_once(f"schema-{hashlib.sha256(versions.encode()).hexdigest()[:16]}", make) / FILE


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all, however many processes come at once."""
    made = target.with_name(f"{target.name}.{os.urandom(4).hex()}")
    shutil.copyfile(source, made)
    made.chmod(0o600)
    with suppress(FileExistsError):
        os.link(made, target)
    made.unlink()
