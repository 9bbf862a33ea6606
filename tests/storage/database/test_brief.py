"""Brief transactions: on the event loop's own thread, unless something speaks against it."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pysqlite3.dbapi2
import pytest
import sqlalchemy as sa

from tests.storage.database.sample_tables import decide, names, open_sample
from tests.support.engines import ENGINES
from veilmart.errors import DatabaseFailure, InsufficientBalance
from veilmart.storage.database.brief import BRIEF_AT_ONCE, brief, is_brief
from veilmart.storage.database.port import Database


@brief
def noted(conn: sa.Connection, who: str) -> int:
    """The thread it ran on."""
    decide(conn, who)
    return threading.get_ident()


@brief
def refused(conn: sa.Connection, who: str) -> int:
    decide(conn, who)
    raise InsufficientBalance("5 short")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_sample(tmp_path / "db")
    yield opened
    opened.close()


async def test_those_of_one_turn_run_here_and_share_a_commit(database: Database) -> None:
    threads = await asyncio.gather(*(database.run(noted, f"c{n}") for n in range(5)))
    assert set(threads) == {threading.get_ident()}
    assert (database.commits, database.decisions) == (1, 5)


async def test_one_that_fails_is_undone_alone(database: Database) -> None:
    outcomes = await asyncio.gather(
        database.run(noted, "before"),
        database.run(refused, "between"),
        database.run(noted, "after"),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], InsufficientBalance)
    assert await database.run(names) == {"before", "after"}
    with pytest.raises(InsufficientBalance):
        await database.run(refused, "alone")
    assert await database.run(names) == {"before", "after"}


async def test_a_cancelled_one_is_not_run(database: Database) -> None:
    doomed = asyncio.ensure_future(database.run(noted, "doomed"))
    kept = asyncio.ensure_future(database.run(noted, "kept"))
    await asyncio.sleep(0)
    doomed.cancel()
    await asyncio.gather(doomed, kept, return_exceptions=True)
    assert await database.run(names) == {"kept"}


async def test_it_does_not_wait_here_while_another_thread_writes(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(_conn: sa.Connection) -> None:
        begun.set()
        assert go_on.wait(10)

    held = asyncio.create_task(asyncio.to_thread(database.run_now, hold))
    await asyncio.to_thread(begun.wait, 10)
    waiting = asyncio.ensure_future(database.run(noted, "later"))
    await asyncio.sleep(0.05)  # the loop goes on
    assert not waiting.done()
    go_on.set()
    await held
    assert await waiting != threading.get_ident()


async def test_it_does_not_wait_here_while_another_process_writes(
    database: Database, tmp_path: Path
) -> None:
    other = pysqlite3.dbapi2.connect(str(tmp_path / "db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(database.run(noted, "later"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    other.execute("ROLLBACK")
    assert await waiting != threading.get_ident()
    other.close()
    assert await database.run(noted, "again") == threading.get_ident()


async def test_after_a_slow_commit_the_writer_thread_takes_them_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("veilmart.storage.database.sqlite_database.SLOW_DISK_SECONDS", 0.2)

    @brief
    def slow(_conn: sa.Connection) -> None:
        time.sleep(0.03)

    await database.run(slow)
    assert await database.run(noted, "elsewhere") != threading.get_ident()
    await asyncio.sleep(0.25)
    assert await database.run(noted, "here") == threading.get_ident()


async def test_of_many_at_once_the_rest_waits_for_the_writer_thread(database: Database) -> None:
    count = BRIEF_AT_ONCE + 8
    threads = await asyncio.gather(*(database.run(noted, f"c{n}") for n in range(count)))
    assert threads.count(threading.get_ident()) <= BRIEF_AT_ONCE
    assert len(await database.run(names)) == count


async def test_what_waits_when_the_database_closes_is_finished(tmp_path: Path) -> None:
    database = open_sample(tmp_path / "db")
    waiting = asyncio.ensure_future(database.run(noted, "last"))
    await asyncio.sleep(0)
    database.close()
    await waiting
    with pytest.raises(DatabaseFailure):
        await database.run(noted, "too late")
    again = open_sample(tmp_path / "db")
    assert again.run_now(names) == {"last"}
    again.close()


async def test_two_loops_at_the_same_moment_get_their_own_results(database: Database) -> None:
    def other_loop() -> list[int]:
        async def many() -> list[int]:
            return [await database.run(noted, f"b{n}") for n in range(50)]

        return asyncio.run(many())

    theirs = asyncio.create_task(asyncio.to_thread(other_loop))
    for n in range(50):
        await database.run(noted, f"a{n}")
    await theirs
    assert len(await database.run(names)) == 100


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
async def test_the_mark_changes_no_result(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    sqlite = engine == "sqlite"
    opened = open_sample(tmp_path / "db" if sqlite else request.getfixturevalue("postgres"))
    assert is_brief(noted) and not is_brief(decide)
    await asyncio.gather(opened.run(noted, "a"), opened.run(noted, "b"))
    assert await opened.run(names) == {"a", "b"}
    await opened.aclose()
