"""One connection to one SQLite file, set up for durable group commits.

The connection is in SQLite's autocommit mode: its users say BEGIN and COMMIT, SQLAlchemy never
does.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

from veilmart.errors import BadArgument, DatabaseFailure
from veilmart.limits import DATABASE_BUSY_SECONDS
from veilmart.storage.files.disk_errors import SQLITE_BUSY, primary_code, typed_file_errors

OLDEST_SQLITE = (3, 51, 3)  # older ones may lose commits when a WAL is reset
_BUSY_MILLISECONDS = 5  # SQLite's own wait; see begin_immediate for the rest
_PAUSE_SECONDS = 0.002


def database_url(url_or_path: str | Path) -> URL:
    """A SQLite URL from a path or a URL. Raises `BadArgument` for anything but SQLite."""
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return URL.create("sqlite", database=str(Path(url_or_path).absolute()))
    if not url_or_path.startswith("sqlite:"):
        kind = url_or_path.partition("://")[0]
        raise BadArgument(f"Databases of the kind {kind[:20]!r} are not supported.")
    try:
        return make_url(url_or_path)
    except ArgumentError as fault:
        raise BadArgument("That is not a database URL.") from fault


def database_file(url: URL) -> Path | None:
    """The file a SQLite URL names; None for a database in memory."""
    return None if url.database in {None, "", ":memory:"} else Path(str(url.database)).absolute()


def create_private(file: Path) -> None:
    """Make `file` exist with mode 0600. SQLite gives its -wal and -shm files the same mode."""
    with typed_file_errors(f"The database {file.name}"):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)


def connect(url: URL) -> Connection:
    """The one connection of a database; it may move between threads, but is used by one at a time.

    Raises `DatabaseFailure` when the bundled SQLite is too old to be trusted with money.
    """
    if dbapi2.sqlite_version_info < OLDEST_SQLITE:
        raise DatabaseFailure(f"SQLite {dbapi2.sqlite_version} is too old.")
    engine = create_engine(
        url,
        module=dbapi2,
        poolclass=StaticPool,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": DATABASE_BUSY_SECONDS},
    )
    event.listen(engine, "connect", _prepare)
    return engine.connect()


def _prepare(raw: Any, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "temp_store=MEMORY",
        "cache_size=-16384",
        "journal_size_limit=67108864",
        "secure_delete=ON",
        "trusted_schema=OFF",
        "foreign_keys=ON",
    ):
        raw.execute(f"PRAGMA {pragma}").fetchall()
    raw.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}").fetchall()


def begin_immediate(raw: Any, busy_seconds: float = DATABASE_BUSY_SECONDS) -> None:
    """Take the write lock, waiting up to `busy_seconds` for other processes.

    SQLite's own busy handler backs off to 100 ms (1 s in some builds), so a CLI could starve
    beside a busy server. Short, random pauses give every process its turn.
    """
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except dbapi2.OperationalError as fault:
            if primary_code(fault) != SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(random.uniform(0, _PAUSE_SECONDS))
        else:
            return
