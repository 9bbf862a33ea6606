"""Open a database by its URL or path, with the engine that it names."""

from pathlib import Path
from types import ModuleType

from sqlalchemy import MetaData

from veilmart.storage.database.port import Database


def open_database(
    url_or_path: str | Path,
    metadata: MetaData,
    migrations: ModuleType | Path | str,
    *,
    schema: str = "veilmart",
) -> Database:
    """Open the database and bring it to the newest revision; SQLite makes its file.

    A path or "sqlite://" (in memory) is SQLite, "postgresql://" PostgreSQL, where the tables lie in
    `schema`. `migrations`: the role's migrations package, or the folder that holds `versions/`.
    Raises `DatabaseFailure`, `DiskFull`, `CannotWrite`, and `BadArgument` for a URL of another
    kind.
    """
    # Either engine's modules cost a command start-up time that it need not pay for both.
    if is_postgres(url_or_path):
        from veilmart.storage.database.postgres_database import PostgresDatabase

        return PostgresDatabase.connect(str(url_or_path), metadata, migrations, schema)
    from veilmart.storage.database.sqlite_database import SqliteDatabase

    return SqliteDatabase.open_file(url_or_path, metadata, migrations)


def is_postgres(url_or_path: str | Path) -> bool:
    """Whether that names a PostgreSQL database."""
    return isinstance(url_or_path, str) and url_or_path.startswith(
        ("postgresql://", "postgresql+psycopg://", "postgres://")
    )
