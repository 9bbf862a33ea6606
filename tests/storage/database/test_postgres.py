"""PostgreSQL: meeting transactions, lost connections, ambiguous commits, migrations, leases."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.storage.database.sample_tables import (
    MIGRATIONS,
    count,
    decide,
    decision,
    metadata,
    names,
    note,
    open_sample,
)
from tests.support.postgres import PostgresServer
from veilmart.errors import BadArgument, DatabaseAway, DatabaseFailure
from veilmart.storage.database.isolation import repeatable, snapshot
from veilmart.storage.database.open_database import open_database
from veilmart.storage.database.port import Database
from veilmart.storage.database.postgres_database import PostgresDatabase

KILL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'veilmart' AND pid <> pg_backend_pid()"
)


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    database = open_sample(postgres)
    yield database
    database.close()


def add_one(connection: sa.Connection) -> int:
    """Read, then write what follows from it: two at once must not read the same."""
    before = connection.execute(sa.select(sa.func.count()).select_from(decision)).scalar_one()
    return decide(connection, f"after {before}")


async def test_transactions_that_meet_are_run_again(database: Database) -> None:
    await asyncio.gather(*(database.run(add_one) for _ in range(24)))
    assert await database.run(names) == {f"after {number}" for number in range(24)}


async def test_a_snapshot_that_meets_another_in_a_row_is_run_again(database: Database) -> None:
    @snapshot
    def count_up(connection: sa.Connection) -> None:
        value = int(connection.execute(sa.select(decision.c.who)).scalar_one())
        connection.execute(sa.update(decision).values(who=str(value + 1)))

    await database.run(decide, "0")
    await asyncio.gather(*(database.run(count_up) for _ in range(24)))
    assert await database.run(names) == {"24"}


async def test_a_key_made_meanwhile_is_seen_by_the_second_attempt(database: Database) -> None:
    number = await database.run(decide, "x")

    @snapshot
    def once(connection: sa.Connection) -> str:
        if connection.execute(sa.select(note.c.text)).first() is not None:
            return "known"
        connection.execute(sa.insert(note).values(number=number, text="t"))
        return "written"

    answers = await asyncio.gather(*(database.run(once) for _ in range(8)))
    assert sorted(answers) == ["known"] * 7 + ["written"]


async def test_broken_connections_are_replaced(
    database: Database, postgres_server: PostgresServer
) -> None:
    await asyncio.gather(*(database.run(decide, f"c{n}") for n in range(8)))
    postgres_server.execute(KILL_OTHERS)
    await asyncio.gather(*(database.run(decide, f"d{n}") for n in range(8)))
    assert await database.run(count) == 16


async def test_a_connection_that_breaks_before_commit_has_done_nothing(
    database: Database, postgres_server: PostgresServer
) -> None:
    attempts: list[int] = []

    def break_once(connection: sa.Connection) -> None:
        decide(connection, "once")
        attempts.append(1)
        if len(attempts) == 1:
            postgres_server.execute(KILL_OTHERS)

    await database.run(break_once)
    assert len(attempts) == 2
    assert await database.run(names) == {"once"}
    assert await database.run(count) == 1


class Breaking:
    """Breaks the connection of the first COMMIT, before the server has heard it or after."""

    def __init__(self, server: PostgresServer, commit: Any, *, after: bool) -> None:
        self.server = server
        self.commit = commit
        self.after = after
        self.broken = 0

    def __call__(self, raw: Any) -> None:
        self.broken += 1
        if self.broken > 1:
            self.commit(raw)
            return
        if self.after:
            self.commit(raw)
        self.server.execute(KILL_OTHERS)
        time.sleep(0.05)
        raw.execute("SELECT 1")  # finds out, as COMMIT would


@pytest.mark.parametrize("after", [True, False], ids=["committed", "not committed"])
@pytest.mark.parametrize("marked", [False, True], ids=["asked", "repeatable"])
def test_an_ambiguous_commit_is_resolved(
    database: Database,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
    marked: bool,
) -> None:
    """The answer arrives and the change was made once, whatever became of the first COMMIT."""
    assert isinstance(database, PostgresDatabase)
    dialect = database._engine.dialect
    breaking = Breaking(postgres_server, dialect.do_commit, after=after)
    monkeypatch.setattr(dialect, "do_commit", breaking)

    def write(connection: sa.Connection) -> str:
        if connection.execute(sa.select(note.c.text)).first() is None:
            number = decide(connection, "x")
            connection.execute(sa.insert(note).values(number=number, text="t"))
        return "done"

    def credit(connection: sa.Connection) -> str:
        decide(connection, "money")
        return "done"

    transaction = repeatable(write) if marked else credit
    assert database.run_now(transaction) == "done"
    assert breaking.broken == (1 if after and not marked else 2)
    assert database.run_now(count) == 1


@pytest.mark.postgres
async def test_a_server_that_goes_away_and_comes_back() -> None:
    server = PostgresServer()
    try:
        database = open_sample(server.new_database())
        await database.run(decide, "before")
        server.stop()
        for _ in range(3):
            with pytest.raises(DatabaseAway):
                await database.run(decide, "while away")
        with pytest.raises(DatabaseAway):
            database.run_now(count)
        server.start()
        await asyncio.gather(*(database.run(decide, f"c{n}") for n in range(8)))
        assert await database.run(count) == 9
        assert "while away" not in await database.run(names)
        database.close()
    finally:
        server.remove()


def test_what_cannot_be_opened_is_said_without_the_password() -> None:
    with pytest.raises(DatabaseAway) as caught:
        open_sample("postgresql://name:hunter2@127.0.0.1:9/none")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(BadArgument) as refused:
        open_sample("postgresql://name:hunter2@[bad:port:x/none")
    assert "hunter2" not in str(refused.value)


def test_details_name_no_values(database: Database) -> None:
    def violate(connection: sa.Connection) -> None:
        number = decide(connection, "x")
        connection.execute(sa.insert(note).values(number=number, text="a secret"))
        connection.execute(sa.insert(note).values(number=number, text="a secret"))

    with pytest.raises(DatabaseFailure) as caught:
        database.run_now(violate)
    assert "secret" not in str(caught.value)


def revisions(folder: Path, second: str) -> Path:
    versions = folder / "role" / "versions"
    versions.mkdir(parents=True)
    first = (MIGRATIONS / "versions" / "0001_first.py").read_text()
    (versions / "0001_first.py").write_text(first)
    head = 'from alembic import op\nrevision, down_revision = "0002", "0001"\ndef upgrade():\n'
    (versions / "0002_second.py").write_text(head + second)
    return versions.parent


def tables(database: Database) -> set[str]:
    listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'veilmart'"
    return set(database.run_now(lambda c: c.exec_driver_sql(listed).scalars().all()))


def test_an_interrupted_migration_leaves_nothing_and_can_be_done_again(
    postgres: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    half = '    op.execute("CREATE TABLE half (a int)")\n'
    folder = revisions(tmp_path, half + '    op.execute("SELECT pg_sleep(30)")\n')
    second = folder / "versions" / "0002_second.py"
    text = second.read_text()
    second.unlink()
    database = open_database(postgres, metadata, folder)
    database.run_now(decide, "x")
    database.close()

    second.write_text(text)
    killer = threading.Timer(0.7, lambda: postgres_server.execute(KILL_OTHERS))
    killer.start()
    with pytest.raises(DatabaseAway):
        open_database(postgres, metadata, folder)
    killer.join()

    second.write_text(text.replace("pg_sleep(30)", "1"))
    database = open_database(postgres, metadata, folder)
    assert "half" in tables(database)
    assert database.run_now(count) == 1
    database.close()


def test_processes_that_migrate_at_once_all_succeed(postgres: str) -> None:
    opened: list[Database] = []
    threads = [
        threading.Thread(target=lambda: opened.append(open_sample(postgres))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for database in opened:
        database.run_now(decide, "x")
    assert opened[0].run_now(count) == 4
    for database in opened:
        database.close()


async def test_one_holds_a_lease_and_it_passes_on_when_the_holder_dies(
    postgres: str, postgres_server: PostgresServer
) -> None:
    first, second = open_sample(postgres), open_sample(postgres)
    ours, theirs, other = first.lease("work"), second.lease("work"), second.lease("other")
    assert await ours.held()
    assert await ours.held()
    assert not await theirs.held()
    assert await other.held()
    postgres_server.execute(KILL_OTHERS)
    assert await theirs.held()
    assert not await ours.held()
    await theirs.aclose()
    assert await ours.held()
    await ours.aclose()
    await other.aclose()
    first.close()
    second.close()
