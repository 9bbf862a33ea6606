"""What only reads: one snapshot, however long, while others go on writing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.storage.database.sample_tables import count, decide, names, open_sample
from tests.support.engines import both_engines
from veilmart.errors import DatabaseFailure, DiskFull, ReadingStopped
from veilmart.storage.backup.backup import copy_database
from veilmart.storage.database import sqlite_reading
from veilmart.storage.database.port import Database
from veilmart.storage.database.sqlite_reading import private_copy


@pytest.fixture
def database(tmp_path: Path, database_url: str | None) -> Iterator[Database]:
    database = open_sample(database_url or tmp_path / "sample.db")
    yield database
    database.close()


@both_engines
def test_it_sees_one_snapshot_and_holds_nobody_up(database: Database) -> None:
    database.run_now(decide, "before")

    def look_twice(connection: sa.Connection) -> tuple[int, int]:
        first = count(connection)
        database.run_now(decide, "meanwhile")
        return first, count(connection)

    assert database.read_now(look_twice) == (1, 1)
    assert database.read_now(count) == 2


@both_engines
def test_it_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseFailure):
        database.read_now(decide, "reader")
    assert database.run_now(count) == 0
    database.run_now(decide, "writer")


@both_engines
def test_what_it_raises_propagates_and_leaves_nothing_open(database: Database) -> None:
    def fail(connection: sa.Connection) -> None:
        count(connection)
        raise KeyError("bug")

    for _ in range(20):
        with pytest.raises(KeyError):
            database.read_now(fail)
    assert database.read_now(count) == 0


@both_engines
def test_not_after_closing(database: Database) -> None:
    database.close()
    with pytest.raises(DatabaseFailure):
        database.read_now(count)


def test_a_database_in_memory_has_one_connection() -> None:
    database = open_sample("sqlite://")
    database.run_now(decide, "before")
    assert database.read_now(count) == 1
    database.close()


# ---- readings of minutes -------------------------------------------------------------------------

BOUND = 8 * 1024 * 1024
"""SQLite winds its log back from 1,000 pages on."""


@both_engines
def test_a_long_reading_sees_one_state_and_holds_nobody_up(database: Database) -> None:
    database.run_now(decide, "before")

    def look_twice(connection: sa.Connection) -> tuple[int, int]:
        first = count(connection)
        database.run_now(decide, "meanwhile")
        return first, count(connection)

    assert database.read_long(look_twice) == (1, 1)
    assert database.read_long(count) == 2
    with pytest.raises(DatabaseFailure):
        database.read_long(decide, "reader")
    assert database.run_now(count) == 2
    database.close()
    with pytest.raises(DatabaseFailure):
        database.read_long(count)


def test_the_log_does_not_grow_beside_a_long_reading(tmp_path: Path) -> None:
    database = open_sample(tmp_path / "sample.db")
    database.run_now(decide, "x" * 4_000_000)

    def write_beside(connection: sa.Connection) -> tuple[int, int, set[str]]:
        before, most = count(connection), 0
        for number in range(120):
            database.run_now(decide, f"{number}" + "y" * 200_000)
            most = max(most, database.log_bytes)
        assert count(connection) == before
        return before, most, {path.name for path in tmp_path.iterdir()}

    _before, most, listed = database.read_long(write_beside)
    assert most < BOUND
    # The copy has no name, so that nothing is left of it whatever happens.
    assert listed == {path.name for path in tmp_path.iterdir()}
    _before, most, _listed = database.read_now(write_beside)
    assert most > 120 * 200_000, "beside a snapshot it does grow"
    database.close()


def test_the_log_does_not_grow_while_a_backup_is_packed(tmp_path: Path) -> None:
    database = open_sample(tmp_path / "sample.db")
    with private_copy(tmp_path / "sample.db"):
        most = 0
        for number in range(120):
            database.run_now(decide, f"{number}" + "y" * 200_000)
            most = max(most, database.log_bytes)
    assert most < BOUND
    copy_database(tmp_path / "sample.db", tmp_path / "copy.db")
    database.close()
    copied = open_sample(tmp_path / "copy.db")
    assert copied.run_now(count) == 120
    copied.close()


def test_a_reading_is_stopped_when_the_log_has_grown_too_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_reading, "READING_LOG_MAX_BYTES", 1_000_000)
    monkeypatch.setattr(sqlite_reading, "_LOOK_EVERY_STEPS", 10)
    database = open_sample(tmp_path / "sample.db")

    def for_ever(connection: sa.Connection) -> None:
        for number in range(1000):
            database.run_now(decide, f"{number}" + "y" * 100_000)
            count(connection)

    with pytest.raises(ReadingStopped) as caught:
        database.read_now(for_ever)
    assert caught.value.code == 5117
    assert database.log_bytes < 3_000_000
    # The writer is not stopped, and the next reading starts from here.
    database.run_now(decide, "last")
    assert "last" in database.read_now(names)
    database.close()


def test_copying_is_stopped_when_the_log_has_grown_too_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_sample(tmp_path / "sample.db")
    database.run_now(decide, "x" * 1_000_000)
    database.close()
    database = open_sample(tmp_path / "sample.db")
    monkeypatch.setattr(sqlite_reading, "READING_LOG_MAX_BYTES", 100_000)
    monkeypatch.setattr(sqlite_reading, "_PAGES_AT_ONCE", 1)
    look = sqlite_reading.log_bytes

    def busy(file: Path) -> int:
        database.run_now(decide, "y" * 100_000)
        return look(file)

    monkeypatch.setattr(sqlite_reading, "log_bytes", busy)
    with pytest.raises(ReadingStopped):
        database.read_long(count)
    assert not list(tmp_path.glob(".*copy*"))
    database.close()


def test_a_copy_that_was_killed_while_it_was_made_is_removed_by_a_later_one(tmp_path: Path) -> None:
    database = open_sample(tmp_path / "sample.db")
    old, fresh = tmp_path / ".sample.db.copy-1", tmp_path / ".sample.db.copy-2"
    for left in (old, fresh):
        left.write_bytes(b"half of it")
    os.utime(old, (0, 0))
    assert database.read_long(count) == 0
    assert not old.exists() and fresh.exists()
    database.close()


def test_there_is_no_copy_without_room_for_it_and_for_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_sample(tmp_path / "sample.db")
    honest = os.statvfs

    def full(place: Path) -> os.statvfs_result:
        values = list(honest(place))
        values[4] = 1  # f_bavail
        return os.statvfs_result(values)

    with monkeypatch.context() as patch:
        patch.setattr("veilmart.storage.database.sqlite_reading.os.statvfs", full)
        with pytest.raises(DiskFull, match="free bytes"):
            database.read_long(count)
    assert database.read_long(count) == 0
    database.close()
