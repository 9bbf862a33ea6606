"""Backups of a role's home: one tar file, safe to make while the role runs (docs/operations.md).

The database is copied in one read transaction and packed (SQLite's VACUUM INTO), then secrets that
must not leave the machine are deleted from the copy, then files and immutable folders are added.
The last member is a manifest with every member's length and SHA-256, so a truncated backup is
detected.
"""

import hashlib
import io
import os
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import msgspec
from pysqlite3 import dbapi2
from sqlalchemy import MetaData

from veilmart.errors import BackupInvalid, DatabaseFailure, NotInitialised
from veilmart.limits import DATABASE_BUSY_SECONDS
from veilmart.storage.backup.row_copy import copy_to_file
from veilmart.storage.database.port import Database
from veilmart.storage.database.sqlite_reading import private_copy
from veilmart.storage.files.disk_errors import database_error, typed_file_errors
from veilmart.storage.files.home import Home
from veilmart.storage.files.partial_file import PartialFile

FORMAT = 1
MANIFEST = "MANIFEST.json"
MANIFEST_MAX_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Tables:
    """The tables of a role that may run on PostgreSQL, and their schema."""

    metadata: MetaData
    migrations: ModuleType
    schema: str


@dataclass(frozen=True)
class HomeLayout:
    """What a role's backup holds.

    files: names in the home; optional: those that need not be there. folder: one whose files never
    change, or none. marks: queries for numbers that only grow; a home in which one is higher is
    newer; postgres_marks: the same in PostgreSQL's words, where they differ. strip: statements on
    the copy.
    """

    role: str
    database: str
    lock: str
    marks: tuple[str, ...]
    strip: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    folder: str = ""
    postgres_marks: tuple[str, ...] = ()
    tables: Tables | None = None


class Entry(msgspec.Struct, frozen=True):
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """identity: fingerprint in hexadecimal, empty for customers. made_at: Unix seconds."""

    format: int
    role: str
    identity: str
    made_at: int
    marks: tuple[int, ...]
    files: dict[str, Entry]


@dataclass(frozen=True)
class BackedUp:
    """bytes: of the archive's members."""

    path: Path
    files: int
    bytes: int


def back_up(
    home: Home,
    layout: HomeLayout,
    target: Path,
    *,
    identity: bytes,
    now: int,
    database: Database | None = None,
) -> BackedUp:
    """Write a backup to `target` (mode 0600; nothing there is replaced).

    database: the role's own, opened; None for the SQLite file in the home. Raises NotInitialised,
    StorageFailures.
    """
    files: dict[str, Entry] = {}
    with _workshop(home.path, "backup") as workshop:
        copy = workshop / layout.database
        if database is not None and database.shared and layout.tables is not None:
            # It lies on a server: one snapshot of it, as a file like any other.
            tables = layout.tables
            database.read_now(copy_to_file, copy, tables.metadata, tables.migrations)
        else:
            if not home.has(layout.database):
                raise NotInitialised(str(home.path))
            copy_database(home.file(layout.database), copy)
        marks = read_marks(copy, layout.marks)
        _strip(copy, layout.strip)
        with PartialFile(target.parent, target.name) as partial:
            sink: Any = _Sink(partial)
            with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                _add(tar, copy, layout.database, files)
                for name in (*layout.files, *filter(home.has, layout.optional)):
                    home.read(name)  # raises NotInitialised, repairs its mode
                    _add(tar, home.file(name), name, files)
                for path in _immutable(home, layout.folder):
                    _add(tar, path, str(path.relative_to(home.path)), files)
                manifest = Manifest(FORMAT, layout.role, identity.hex(), now, marks, files)
                _add_bytes(tar, MANIFEST, msgspec.json.encode(manifest))
            path = partial.finish()
    return BackedUp(path, len(files), sum(entry.size for entry in files.values()))


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a SQLite file that others are writing to. Raises StorageFailures."""
    try:
        # Packing the copy takes longer than copying, and holds no snapshot of the source.
        with private_copy(source) as raw:
            raw.execute("VACUUM INTO ?", (str(target),))
    except dbapi2.Error as fault:
        raise database_error(fault) from fault
    with typed_file_errors(target.name):
        target.chmod(0o600)


def read_marks(database: Path, queries: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers that say how new a database is."""
    with _connected(database) as raw:
        return tuple(int(raw.execute(query).fetchone()[0]) for query in queries)


def check_database(database: Path) -> None:
    """Raises BackupInvalid when SQLite finds it damaged."""
    try:
        with _connected(database) as raw:
            found = raw.execute("PRAGMA integrity_check").fetchone()[0]
    except DatabaseFailure as fault:
        raise BackupInvalid("Its database cannot be read.") from fault
    if found != "ok":
        raise BackupInvalid("Its database is damaged.")


def _strip(copy: Path, statements: tuple[str, ...]) -> None:
    with _connected(copy) as raw:
        raw.execute("PRAGMA secure_delete=ON").fetchall()
        for statement in statements:
            raw.execute(statement)


@contextmanager
def _connected(file: Path) -> Iterator[Any]:
    raw: Any = None
    try:
        raw = dbapi2.connect(str(file), timeout=DATABASE_BUSY_SECONDS, isolation_level=None)
        yield raw
    except dbapi2.Error as fault:
        raise database_error(fault) from fault
    finally:
        if raw is not None:
            raw.close()


@contextmanager
def _workshop(home: Path, what: str) -> Iterator[Path]:
    """A temporary folder on the home's disk."""
    workshop = home / f".{what}-{time.time_ns():x}"
    with typed_file_errors(f"The home folder {home}"):
        workshop.mkdir(mode=0o700)
        try:
            yield workshop
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


workshop_in = _workshop


def _immutable(home: Home, folder: str) -> Iterator[Path]:
    """Finished files of the folder; what is being made has no place of its own yet."""
    if folder:
        for path in sorted(home.file(folder).glob("[0-9a-f][0-9a-f]/*/*")):
            if path.is_file():
                yield path


def _add(tar: tarfile.TarFile, path: Path, name: str, files: dict[str, Entry]) -> None:
    with typed_file_errors(name), path.open("rb") as stream:
        info = _info(name, path.stat().st_size)
        reader = _HashingReader(stream)
        tar.addfile(info, reader)  # type: ignore[arg-type]
    files[name] = Entry(info.size, reader.digest.hexdigest())


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_info(name, len(content)), io.BytesIO(content))


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


class _HashingReader:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self.digest.update(block)
        return block


class _Sink:
    """What tarfile writes to."""

    def __init__(self, partial: PartialFile) -> None:
        self._partial = partial

    def write(self, block: bytes) -> int:
        self._partial.write(block)
        return len(block)


def copy_hashed(source: Any, target: Path) -> Entry:
    """Write a member to a new file of mode 0600, durably; its length and hash."""
    digest, size = hashlib.sha256(), 0
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with target.open("xb") as stream:
        target.chmod(0o600)
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
            stream.write(block)
            size += len(block)
        stream.flush()
        os.fsync(stream.fileno())
    return Entry(size, digest.hexdigest())
