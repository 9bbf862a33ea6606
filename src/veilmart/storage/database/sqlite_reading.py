"""Readings of a SQLite file beside its writer: in one snapshot, or in a private copy of the file.

SQLite cannot wind its write-ahead log (WAL) back while anybody reads an older state. So a snapshot
that is open for minutes makes the WAL grow with every commit. What may take minutes therefore
reads a copy: the snapshot lasts only as long as copying the file's pages. What takes longer than
expected is stopped when the WAL has grown too far.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from veilmart.errors import DiskFull, ReadingStopped
from veilmart.limits import READING_LOG_MAX_BYTES
from veilmart.storage.database.sqlite_engine import connect, database_file
from veilmart.storage.files.disk_errors import SQLITE_INTERRUPT, primary_code, typed_file_errors

_LOOK_EVERY_STEPS = 100_000
"""Of SQLite's virtual machine: some milliseconds."""
_PAGES_AT_ONCE = 1024
_KILLED_AFTER_SECONDS = 3600


def log_bytes(file: Path) -> int:
    """The size of the WAL of a database's file; 0 if there is none."""
    try:
        return Path(f"{file}-wal").stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def reading_connection(url: URL) -> Iterator[Connection]:
    """A connection of its own that only reads, all of it one snapshot of the file.

    SQLite sorts in memory where it was compiled so (TEMP_STORE=3). Raises ReadingStopped as soon
    as the WAL has grown by READING_LOG_MAX_BYTES.
    """
    connection = connect(url)
    try:
        raw: Any = connection.connection.driver_connection
        for statement in ("PRAGMA temp_store=FILE", "PRAGMA query_only=ON", "BEGIN"):
            raw.execute(statement).fetchall()
        # The snapshot is taken by the first read.
        raw.execute("SELECT count(*) FROM sqlite_master").fetchall()
        file = database_file(url)
        if file is not None:
            raw.set_progress_handler(_grown(file, READING_LOG_MAX_BYTES), _LOOK_EVERY_STEPS)
        with _stopped():
            yield connection
    finally:
        connection.close()
        connection.engine.dispose()


@contextmanager
def copied_connection(file: Path) -> Iterator[Connection]:
    """A connection to a private copy of the file, which only reads. Raises as `private_copy`."""
    with private_copy(file) as raw:
        for statement in ("PRAGMA temp_store=FILE", "PRAGMA query_only=ON"):
            raw.execute(statement).fetchall()
        engine = create_engine(
            "sqlite://",
            module=dbapi2,
            creator=lambda: raw,
            poolclass=StaticPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            hide_parameters=True,
        )
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


@contextmanager
def private_copy(file: Path) -> Iterator[Any]:
    """A SQLite connection to a copy of one snapshot of the file, in the same folder.

    The copy loses its name before it is read, so that nothing is left of it whatever happens then;
    one that was killed while it was filled is removed by a later one. Raises DiskFull, CannotWrite,
    SQLite's errors, and ReadingStopped when the WAL has grown by more than the file's own size (or
    READING_LOG_MAX_BYTES) before all is copied.
    """
    target = file.with_name(f".{file.name}.copy-{time.time_ns():x}")
    with typed_file_errors(f"A copy of the database {file.name}"):
        _remove_killed(file)
        _check_room(file)
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    copy: Any = None
    try:
        copy = dbapi2.connect(str(target), isolation_level=None, check_same_thread=False)
        # Nothing is written over, so nothing has to be undone, and nobody needs it after a crash.
        for statement in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF"):
            copy.execute(statement).fetchall()
        _copy_pages(file, copy)
        # The copy says of itself that it has a WAL, which needs the name.
        copy.execute("PRAGMA journal_mode=OFF").fetchall()
        target.unlink()
        yield copy
    finally:
        if copy is not None:
            copy.close()
        for name in (target, Path(f"{target}-wal"), Path(f"{target}-shm")):
            name.unlink(missing_ok=True)


def _remove_killed(file: Path) -> None:
    """Remove what a killed process has left: nobody has written into it for long."""
    for left in file.parent.glob(f".{file.name}.copy-*"):
        if time.time() - left.stat().st_mtime > _KILLED_AFTER_SECONDS:
            left.unlink(missing_ok=True)


def _check_room(file: Path) -> None:
    """Half of what is free stays free: commits beside the copy need room too. Raises DiskFull."""
    status = os.statvfs(file.parent)
    free, needed = status.f_bavail * status.f_frsize, 2 * file.stat().st_size
    if free < needed:
        raise DiskFull(
            f"To read for long beside its writer, the database {file.name} is copied: that needs "
            f"{needed:,} free bytes, and there are {free:,}."
        )


def _copy_pages(file: Path, copy: Any) -> None:
    source: Any = connect(URL.create("sqlite", database=str(file)))
    try:
        raw = source.connection.driver_connection
        # In a transaction of its own it does not begin anew whenever somebody writes.
        raw.execute("BEGIN")
        raw.execute("SELECT count(*) FROM sqlite_master").fetchall()
        grown = _grown(file, max(READING_LOG_MAX_BYTES, file.stat().st_size))

        def look(_status: int, _left: int, _pages: int) -> None:
            if grown():
                raise ReadingStopped

        raw.backup(copy, pages=_PAGES_AT_ONCE, progress=look)
    finally:
        source.close()
        source.engine.dispose()


def _grown(file: Path, most: int) -> Callable[[], bool]:
    """Says whether the WAL is larger than it is now by more than `most` bytes."""
    limit = log_bytes(file) + most
    return lambda: log_bytes(file) > limit


@contextmanager
def _stopped() -> Iterator[None]:
    """Turns SQLite's "interrupted" into ReadingStopped."""
    try:
        yield
    except Exception as fault:
        if primary_code(fault) == SQLITE_INTERRUPT:
            raise ReadingStopped from fault
        raise
