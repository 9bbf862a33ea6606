"""What only reads: one snapshot, however long, while others go on writing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.storage.database.sample_tables import count, decide, open_sample
from tests.support.engines import both_engines
from veilmart.errors import DatabaseFailure
from veilmart.storage.database.port import Database


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
