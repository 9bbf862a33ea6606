"""Backups of a home: whole or refused, and never over something newer by accident."""

import tarfile
import threading
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from veilmart.errors import BackupInvalid, BackupOlder, DiskFull, HomeInUse, NotInitialised
from veilmart.storage.backup.backup import MANIFEST, HomeLayout, back_up
from veilmart.storage.backup.restore import restore
from veilmart.storage.files.home import Home

ME, OTHER = bytes(32), bytes(range(32))
ROOT = "ab" * 32
LAYOUT = HomeLayout(
    role="merchant",
    database="shop.sqlite",
    lock="server",
    files=("identity.pem",),
    folder="products",
    marks=("SELECT coalesce(max(id), 0) FROM things",),
    strip=("DELETE FROM secrets",),
)


def connect(home: Path) -> dbapi2.Connection:
    raw = dbapi2.connect(str(home / LAYOUT.database), isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    return raw


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    Home(path).write_secret("identity.pem", b"the key")
    raw = connect(path)
    raw.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
    raw.execute("CREATE TABLE secrets (value TEXT)")
    raw.execute("INSERT INTO secrets VALUES ('tunnel key 4711')")
    raw.execute("INSERT INTO things VALUES (1)")
    raw.close()
    place = path / "products" / ROOT[:2] / ROOT
    place.mkdir(parents=True)
    (place / "data").write_bytes(b"x" * 3_000_000)
    (path / "products" / "new" / "half").mkdir(parents=True)
    (path / "products" / "new" / "half" / "data").write_bytes(b"not yet")
    return path


def add(home: Path, *ids: int) -> None:
    raw = connect(home)
    for number in ids:
        raw.execute("INSERT INTO things VALUES (?)", (number,))
    raw.close()


def things(home: Path) -> list[int]:
    raw = connect(home)
    found = [row[0] for row in raw.execute("SELECT id FROM things ORDER BY id")]
    raw.close()
    return found


def save(home: Path, name: str = "backup.tar") -> Path:
    return back_up(Home(home), LAYOUT, home.parent / name, identity=ME, now=7).path


def put(
    archive: Path, home: Path, *, over_newer: bool = False, identity: bytes | None = ME
) -> Path | None:
    return restore(archive, home, LAYOUT, identity=identity, over_newer=over_newer).put_aside


def test_a_backup_brings_back_what_was_there(home: Path, tmp_path: Path) -> None:
    archive = save(home)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert b"tunnel key 4711" not in archive.read_bytes()
    fresh = tmp_path / "fresh"
    assert put(archive, fresh, identity=None) is None
    assert things(fresh) == [1]
    assert (fresh / "identity.pem").read_bytes() == b"the key"
    assert (fresh / "identity.pem").stat().st_mode & 0o777 == 0o600
    assert (fresh / "products" / "ab" / ROOT / "data").stat().st_size == 3_000_000
    assert not (fresh / "products" / "new").exists()
    assert not list(fresh.glob(".*"))


def test_a_backup_made_while_others_write_is_consistent(home: Path) -> None:
    stop, failures = threading.Event(), []

    def write() -> None:
        raw = connect(home)
        number = 1
        while not stop.is_set():
            raw.execute("BEGIN IMMEDIATE")
            raw.execute("INSERT INTO things VALUES (?)", (number + 1,))
            raw.execute("INSERT INTO things VALUES (?)", (number + 2,))
            raw.execute("COMMIT")
            number += 2
        raw.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        archives = [save(home, f"{turn}.tar") for turn in range(3)]
    finally:
        stop.set()
        writer.join()
    for turn, archive in enumerate(archives):
        fresh = home.parent / f"fresh {turn}"
        put(archive, fresh, identity=None)
        found = things(fresh)
        if found != list(range(1, len(found) + 1)) or len(found) % 2 == 0:
            failures.append(found)
    assert failures == []


def test_a_backup_restored_over_a_newer_home_is_refused_and_loses_nothing(home: Path) -> None:
    archive = save(home)
    add(home, 2, 3)
    with pytest.raises(BackupOlder):
        put(archive, home)
    assert things(home) == [1, 2, 3]
    aside = put(archive, home, over_newer=True)
    assert things(home) == [1]
    assert aside == home / "replaced-1"
    assert things(aside) == [1, 2, 3]
    assert (aside / "identity.pem").read_bytes() == b"the key"
    assert put(archive, home) == home / "replaced-2"


def test_a_full_disk_stops_backup_and_restore_and_changes_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("veilmart.storage.files.partial_file.os.fsync", full)
        with pytest.raises(DiskFull) as caught:
            save(home)
    assert caught.value.code == 5101
    assert not (home.parent / "backup.tar").exists() and not list(home.glob(".backup*"))
    archive = save(home)
    add(home, 2)
    with monkeypatch.context() as patch:
        patch.setattr("veilmart.storage.backup.backup.os.fsync", full)
        with pytest.raises(DiskFull):
            put(archive, home, over_newer=True)
    assert things(home) == [1, 2] and not list(home.glob("replaced-*"))
    assert not list(home.glob(".restore*"))
    put(archive, home, over_newer=True)
    assert things(home) == [1]


def test_another_identity_is_never_replaced(home: Path) -> None:
    archive = save(home)
    with pytest.raises(BackupInvalid):
        put(archive, home, identity=OTHER, over_newer=True)
    assert things(home) == [1]


def test_a_running_role_is_not_replaced(home: Path) -> None:
    archive = save(home)
    with Home(home).lock("server"), pytest.raises(HomeInUse):
        put(archive, home)


def test_a_home_that_is_not_set_up_is_not_backed_up(tmp_path: Path, home: Path) -> None:
    (home / "identity.pem").unlink()
    with pytest.raises(NotInitialised):
        save(home)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert not list(home.glob(".backup*"))


def repack(archive: Path, keep: object = None, add_name: str = "", change: str = "") -> Path:
    """The archive with a member left out, added, or with other bytes."""
    target = archive.with_suffix(".changed")
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        if add_name:
            info = tarfile.TarInfo(add_name)
            new.addfile(info)
        for member in old.getmembers():
            if member.name == keep:
                continue
            content = old.extractfile(member)
            assert content is not None
            if member.name == change:
                data = bytearray(content.read())
                data[len(data) // 2] ^= 1
                (archive.parent / "changed").write_bytes(bytes(data))
                content = (archive.parent / "changed").open("rb")
            new.addfile(member, content)
    return target


@pytest.mark.parametrize(
    "wrong",
    [
        {"keep": "identity.pem"},
        {"keep": MANIFEST},
        {"keep": "shop.sqlite"},
        {"add_name": "../escaped"},
        {"add_name": "/absolute"},
        {"add_name": "products/ab/../../escaped"},
        {"add_name": "another"},
        {"change": "shop.sqlite"},
        {"change": "identity.pem"},
        {"change": MANIFEST},
        {"change": f"products/ab/{ROOT}/data"},
    ],
    ids=str,
)
def test_a_changed_backup_changes_nothing(home: Path, wrong: dict[str, str]) -> None:
    archive = repack(save(home), **wrong)
    before = sorted(path.name for path in home.iterdir())
    with pytest.raises(BackupInvalid):
        put(archive, home)
    with pytest.raises(BackupInvalid):
        put(archive, home.parent / "fresh", identity=None)
    assert sorted(path.name for path in home.iterdir()) == sorted({*before, "server.lock"})
    assert not (home.parent / "escaped").exists()
    assert things(home) == [1]


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_backup_that_was_cut_off_changes_nothing(home: Path, share: float) -> None:
    archive = save(home)
    content = archive.read_bytes()
    with tarfile.open(archive) as tar:
        end = max(member.offset_data + member.size for member in tar.getmembers())
    archive.write_bytes(content[: int(end * share)])
    with pytest.raises(BackupInvalid):
        put(archive, home)
    assert things(home) == [1]


def test_what_is_no_backup_at_all(home: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for name in ("text", "nothing", "home"):
        with pytest.raises(BackupInvalid):
            put(tmp_path / name, home)
    archive = save(home)
    other = HomeLayout(
        "broker",
        "shop.sqlite",
        "server",
        LAYOUT.marks,
        (),
        LAYOUT.files,
        "products",  # type: ignore[arg-type]
    )
    with pytest.raises(BackupInvalid):
        restore(archive, home, other, identity=ME, over_newer=True)
