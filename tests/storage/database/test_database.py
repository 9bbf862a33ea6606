"""Group commit: durability, isolation of failures, bounds."""

import asyncio
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.storage.database.sample_tables import count, decide, decision, names, note, open_sample
from tests.support.engines import both_engines
from veilmart.errors import DatabaseFailure, DiskFull, InsufficientBalance, Misuse, ServerBusy
from veilmart.limits import TRANSACTIONS_WAITING_MAX
from veilmart.storage.database.port import Database


@pytest.fixture
def place(tmp_path: Path, database_url: str | None) -> Path | str:
    return database_url or tmp_path / "sample.db"


@pytest.fixture
def database(place: Path | str):
    database = open_sample(place)
    yield database
    database.close()


def hold_writer(database: Database) -> tuple[threading.Event, threading.Event]:
    """Events: the writer has begun a batch; let it go on."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_connection: sa.Connection) -> None:
        begun.set()
        assert go_on.wait(10)

    database.held = asyncio.ensure_future(database.run(wait))  # type: ignore[attr-defined]
    return begun, go_on


async def in_one_batch(database: Database, *transactions):
    begun, go_on = hold_writer(database)
    await asyncio.to_thread(begun.wait, 10)
    tasks = [asyncio.ensure_future(database.run(*transaction)) for transaction in transactions]
    await asyncio.sleep(0)
    go_on.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_waiting_transactions_share_one_commit(database: Database) -> None:
    answers = await in_one_batch(database, *[(decide, f"c{i}") for i in range(20)])
    assert sorted(answers) == list(range(1, 21))
    assert (database.commits, database.decisions) == (1, 20)


@both_engines
async def test_a_failure_undoes_its_own_transaction_only(database: Database) -> None:
    def refuse(connection: sa.Connection) -> None:
        decide(connection, "refused")
        raise InsufficientBalance("5 short")

    def break_down(connection: sa.Connection) -> None:
        decide(connection, "broken")
        raise KeyError("bug")

    def violate(connection: sa.Connection) -> None:
        decide(connection, "violating")
        connection.execute(sa.insert(note).values(number=999, text="no such decision"))

    before, refused, broken, violated, after = await in_one_batch(
        database, (decide, "before"), (refuse,), (break_down,), (violate,), (decide, "after")
    )
    assert isinstance(refused, InsufficientBalance)
    assert isinstance(broken, KeyError)
    assert isinstance(violated, DatabaseFailure)
    assert before != after  # PostgreSQL runs them side by side, in no order
    assert await database.run(names) == {"before", "after"}
    assert database.decisions == 2


@both_engines
async def test_a_lone_failure_is_undone(database: Database) -> None:
    def refuse(connection: sa.Connection) -> None:
        decide(connection, "refused")
        raise InsufficientBalance

    with pytest.raises(InsufficientBalance):
        await database.run(refuse)
    assert await database.run(count) == 0
    assert (database.commits, database.decisions) == (0, 0)


@both_engines
async def test_integrity_errors_reach_the_transaction_itself(database: Database) -> None:
    def write_once(connection: sa.Connection, text: str) -> str:
        number = decide(connection, "x")
        try:
            with connection.begin_nested():
                connection.execute(sa.insert(note).values(number=number, text=text))
        except sa.exc.IntegrityError:
            return "taken"
        return "written"

    first, second = await in_one_batch(database, (write_once, "same"), (write_once, "same"))
    assert {first, second} == {"written", "taken"}
    assert await database.run(count) == 2


@both_engines
async def test_reading_commits_nothing(database: Database) -> None:
    await database.run(decide, "x")
    assert await in_one_batch(database, (count,), (count,)) == [1, 1]
    assert (database.commits, database.decisions) == (1, 1)


@both_engines
async def test_cancelled_callers_harm_nobody(database: Database) -> None:
    begun, go_on = hold_writer(database)
    await asyncio.to_thread(begun.wait, 10)
    doomed = [asyncio.ensure_future(database.run(decide, "doomed")) for _ in range(3)]
    others = [asyncio.ensure_future(database.run(decide, f"c{i}")) for i in range(3)]
    await asyncio.sleep(0)
    for task in doomed:
        task.cancel()
    await asyncio.gather(*doomed, return_exceptions=True)
    database.held.cancel()  # type: ignore[attr-defined]  # under way already
    await asyncio.gather(database.held, return_exceptions=True)  # type: ignore[attr-defined]
    go_on.set()
    await asyncio.gather(*others)
    assert {"c0", "c1", "c2"} <= await database.run(names)


@both_engines
async def test_too_many_waiting_are_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, most in (("sqlite_database", 3), ("postgres_database", 4)):
        # One is under way; on SQLite it waits no more.
        monkeypatch.setattr(f"veilmart.storage.database.{module}.TRANSACTIONS_WAITING_MAX", most)
    assert TRANSACTIONS_WAITING_MAX == 10_000
    begun, go_on = hold_writer(database)
    await asyncio.to_thread(begun.wait, 10)
    waiting = [asyncio.ensure_future(database.run(decide, "x")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(ServerBusy):
        await database.run(decide, "late")
    go_on.set()
    await asyncio.gather(*waiting)
    assert await database.run(count) == 3


async def test_misuse_is_told_and_survived(database: Database) -> None:
    def commits_itself(connection: sa.Connection) -> None:
        connection.commit()
        connection.connection.driver_connection.commit()  # type: ignore[union-attr]

    def keeps_result(connection: sa.Connection) -> object:
        return connection.execute(sa.select(decision))

    def leaves_savepoint(connection: sa.Connection) -> None:
        connection.begin_nested()
        decide(connection, "left")

    def nests(_connection: sa.Connection) -> None:
        database.run_now(count)

    def stops(_connection: sa.Connection) -> None:
        raise StopIteration

    for wrong in (commits_itself, keeps_result, leaves_savepoint, nests, stops):
        with pytest.raises(Misuse):
            await database.run(wrong)
        await database.run(decide, "still works")
    kept, left, good = await in_one_batch(
        database, (keeps_result,), (leaves_savepoint,), (decide, "good")
    )
    assert isinstance(kept, Misuse)
    assert isinstance(left, Misuse)
    assert good == 6
    assert await database.run(names) == {"still works", "good"}


async def test_a_full_disk_is_said_and_half_of_nothing_is_kept(database: Database) -> None:
    def limit_pages(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 8}").close()

    def write_much(connection: sa.Connection) -> None:
        decide(connection, "x" * 500_000)

    database.run_now(limit_pages)
    small, much, later = await in_one_batch(
        database, (decide, "small"), (write_much,), (decide, "later")
    )
    assert isinstance(much, DiskFull)
    told = {
        who
        for who, answer in (("small", small), ("later", later))
        if not isinstance(answer, Exception)
    }
    assert await database.run(names) == told
    with pytest.raises(DiskFull):
        await database.run(write_much)
    database.run_now(decide, "room again")
    assert await database.run(names) == told | {"room again"}


async def test_when_commit_fails_everybody_hears_it(database: Database) -> None:
    # Deferred references are checked by COMMIT itself, so one transaction makes it fail.
    def owe(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON").close()
        connection.execute(sa.insert(note).values(number=77, text="owed"))

    answers = await in_one_batch(database, (decide, "a"), (owe,), (decide, "b"))
    assert [type(answer) for answer in answers] == [DatabaseFailure] * 3
    assert await database.run(count) == 0
    assert database.decisions == 0
    await database.run(decide, "works again")
    assert await database.run(names) == {"works again"}


@both_engines
def test_run_now_and_the_writer_thread_take_turns(database: Database) -> None:
    async def both() -> None:
        tasks = [asyncio.ensure_future(database.run(decide, "a")) for _ in range(50)]
        await asyncio.to_thread(lambda: [database.run_now(decide, "b") for _ in range(50)])
        await asyncio.gather(*tasks)

    asyncio.run(both())
    assert database.run_now(count) == 100


@both_engines
async def test_close_finishes_what_waits_and_refuses_more(place: Path | str) -> None:
    database = open_sample(place)
    tasks = [asyncio.ensure_future(database.run(decide, "x")) for _ in range(10)]
    await asyncio.sleep(0)
    await database.aclose()
    await asyncio.gather(*tasks)
    await database.aclose()
    with pytest.raises(DatabaseFailure):
        await database.run(decide, "late")
    with pytest.raises(DatabaseFailure):
        database.run_now(decide, "late")
    again = open_sample(place)
    assert again.run_now(count) == 10
    again.close()


@both_engines
async def test_several_event_loops_share_a_database(database: Database) -> None:
    def other_loop() -> list[int]:
        async def decide_some() -> list[int]:
            return await asyncio.gather(*(database.run(decide, "b") for _ in range(20)))

        return asyncio.run(decide_some())

    mine = asyncio.gather(*(database.run(decide, "a") for _ in range(20)))
    theirs = await asyncio.to_thread(other_loop)
    assert len({*await mine, *theirs}) == 40


def test_memory_database() -> None:
    database = open_sample("sqlite://")
    assert database.run_now(decide, "x") == 1
    assert database.run_now(count) == 1
    database.close()
