"""Restoring a home from a backup: checked whole first, swapped in at the end, nothing deleted.

An existing home is moved to `replaced-N/` beside it. A home that is newer than the backup is left
alone unless that is asked for; so is one of another identity, always.
"""

import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from veilmart.errors import BackupInvalid, BackupOlder, CannotWrite
from veilmart.storage.backup.backup import (
    FORMAT,
    MANIFEST,
    MANIFEST_MAX_BYTES,
    Entry,
    HomeLayout,
    Manifest,
    check_database,
    copy_hashed,
    read_marks,
    workshop_in,
)
from veilmart.storage.database.open_database import is_postgres
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.storage.files.home import Home, home_to_be, sync_folder
from veilmart.storage.files.locations import database_place, remember_database

_PRODUCT_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}/[a-z]{1,16}")
_REPLACED_MAX = 1000
_COMPANIONS = ("", "-wal", "-shm")


@dataclass(frozen=True)
class Restored:
    """made_at: of the backup. put_aside: folder with what was there before, if anything was.

    schema_aside: the schema on the database server that keeps what was there, if there was one.
    """

    role: str
    made_at: int
    files: int
    put_aside: Path | None
    schema_aside: str | None = None


def restore(
    archive: Path,
    path: Path,
    layout: HomeLayout,
    *,
    identity: bytes | None,
    over_newer: bool,
    database: str | None = None,
) -> Restored:
    """Replace the home at `path` by a backup.

    identity: fingerprint of the home there, None when there is none. database: as in
    `database_place`; a PostgreSQL server's tables are moved aside and filled anew, whichever engine
    the backup was made on. Raises BackupInvalid, BackupOlder, HomeInUse while the role runs,
    StorageFailures; then nothing was changed.
    """
    with (
        home_to_be(path, lambda home: home.has(layout.database)) as home,
        home.lock(layout.lock, wait=False),
        workshop_in(home.path, "restore") as stage,
    ):
        manifest = _unpack(archive, stage, layout)
        _check_manifest(manifest, layout, identity)
        check_database(stage / layout.database)
        place = database_place(home, database, layout.database)
        server = place if is_postgres(place) and layout.tables is not None else None
        if not over_newer:
            _check_age(home, manifest, layout, server)
        schema = None
        if server is not None and layout.tables is not None:
            from veilmart.storage.backup.postgres_restore import replace_tables

            schema = replace_tables(str(server), stage / layout.database, layout.tables)
        with typed_file_errors(f"The home folder {path}"):
            aside = _put_aside(home, layout)
            _move_in(stage, home, layout, with_database=server is None)
        remember_database(home, place)
    return Restored(layout.role, manifest.made_at, len(manifest.files), aside, schema)


def _unpack(archive: Path, stage: Path, layout: HomeLayout) -> Manifest:
    found: dict[str, Entry] = {}
    manifest: Manifest | None = None
    with _opened(archive) as tar:
        for member in tar:
            source = tar.extractfile(member) if member.isreg() else None
            if source is None or manifest is not None:
                raise BackupInvalid("It holds something that is no file of a backup.")
            if member.name == MANIFEST:
                manifest = _parse(source.read(MANIFEST_MAX_BYTES + 1))
            elif _belongs(member.name, layout) and member.name not in found:
                with typed_file_errors(member.name):
                    found[member.name] = copy_hashed(source, stage / member.name)
            else:
                raise BackupInvalid("It holds a file that does not belong there.")
    if manifest is None or manifest.files != found:
        raise BackupInvalid("Its files are not those of its manifest.")
    return manifest


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with archive.open("rb") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            yield tar
    except (tarfile.TarError, EOFError) as fault:
        raise BackupInvalid("It cannot be read.") from fault
    except OSError as fault:
        raise BackupInvalid(f"{archive}: {fault.strerror or 'it cannot be read'}.") from fault


def _parse(content: bytes) -> Manifest:
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as fault:
        raise BackupInvalid("Its manifest cannot be read.") from fault


def _belongs(name: str, layout: HomeLayout) -> bool:
    if name in (layout.database, *layout.files, *layout.optional):
        return True
    head, _, rest = name.partition("/")
    return bool(layout.folder) and head == layout.folder and bool(_PRODUCT_FILE.fullmatch(rest))


def _check_manifest(manifest: Manifest, layout: HomeLayout, identity: bytes | None) -> None:
    if manifest.format != FORMAT or manifest.role != layout.role:
        raise BackupInvalid(f"It is one of a {manifest.role[:20]}, format {manifest.format}.")
    if missing := [n for n in (layout.database, *layout.files) if n not in manifest.files]:
        raise BackupInvalid(f"It lacks {missing[0]}.")
    if len(manifest.marks) != len(layout.marks):
        raise BackupInvalid("It was made by another version.")
    if identity is not None and manifest.identity != identity.hex():
        raise BackupInvalid("It belongs to another identity than the one in this home.")


def _check_age(home: Home, manifest: Manifest, layout: HomeLayout, server: object) -> None:
    """Both places are looked at: a home may be on its way from one to the other."""
    here: list[tuple[int, ...] | None] = []
    if home.has(layout.database):
        here.append(read_marks(home.file(layout.database), layout.marks))
    if server is not None and layout.tables is not None:
        # Its library costs a command start-up time that SQLite need not pay.
        from veilmart.storage.backup.postgres_restore import postgres_marks

        here.append(postgres_marks(str(server), layout, layout.tables))
    for marks in here:
        if marks is not None and any(
            mine > theirs for mine, theirs in zip(marks, manifest.marks, strict=True)
        ):
            raise BackupOlder


def _put_aside(home: Home, layout: HomeLayout) -> Path | None:
    """The identity goes first and comes last: a home cut off in between is not set up."""
    names = [*layout.files, *layout.optional, *(f"{layout.database}{end}" for end in _COMPANIONS)]
    present = [name for name in names if home.has(name)]
    if not present:
        return None
    aside = _fresh_folder(home.path)
    for name in present:
        home.file(name).rename(aside / name)
    sync_folder(aside)
    sync_folder(home.path)
    return aside


def _fresh_folder(path: Path) -> Path:
    for number in range(1, _REPLACED_MAX):
        aside = path / f"replaced-{number}"
        try:
            aside.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return aside
    raise CannotWrite("Too many earlier homes are kept; remove some.")


def _move_in(stage: Path, home: Home, layout: HomeLayout, *, with_database: bool) -> None:
    for path in sorted((stage / layout.folder).glob("*/*")) if layout.folder else ():
        place = home.path / path.relative_to(stage)
        if not place.exists():  # the same root is the same bytes
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.rename(place)
            sync_folder(place.parent)
    chosen = [name for name in layout.optional if (stage / name).exists()]
    database = [layout.database] if with_database else []
    for name in (*chosen, *database, *reversed(layout.files)):
        (stage / name).rename(home.file(name))
    sync_folder(home.path)
