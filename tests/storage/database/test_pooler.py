"""Behind PgBouncer: sessions work and their settings hold; transaction mode is refused."""

import asyncio
from pathlib import Path

import pytest

from tests.storage.database.sample_tables import count, decide, open_sample
from tests.support.pooler import PGBOUNCER, PgBouncer
from tests.support.postgres import PostgresServer
from tests.support.real_program import program
from veilmart.errors import PoolerUnfit
from veilmart.storage.database.port import Database

pytestmark = [
    pytest.mark.pgbouncer,
    pytest.mark.skipif(
        PGBOUNCER is None, reason="Debian's pgbouncer is not installed and apt could not fetch it"
    ),
]

SETTINGS = (
    "SELECT current_setting('search_path'), current_setting('synchronous_commit'), "
    "current_setting('transaction_isolation'), current_setting('lock_timeout')"
)
SCHEMAS = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'decision'"


def ask(database: Database, query: str) -> tuple[object, ...]:
    return tuple(database.run_now(lambda c: [tuple(row) for row in c.exec_driver_sql(query)]))


@pytest.mark.parametrize(
    "settings", ["", "ignore_startup_parameters = options, extra_float_digits"]
)
async def test_session_mode_keeps_schema_isolation_and_synchronous_commits(
    postgres: str, postgres_server: PostgresServer, settings: str
) -> None:
    postgres_server.execute(
        "ALTER DATABASE " + postgres.split("/")[3].split("?")[0] + " SET synchronous_commit = off"
    )
    with PgBouncer(postgres, "session", settings) as pooler:
        database = await asyncio.to_thread(open_sample, pooler.url)
        await asyncio.gather(*(database.run(decide, f"d{n}") for n in range(24)))
        assert ask(database, SETTINGS) == (("veilmart", "on", "serializable", "10s"),)
        assert ask(database, SCHEMAS) == (("veilmart",),)
        assert await database.run(count) == 24
        lease, other = database.lease("work"), database.lease("work")
        assert await lease.held()
        assert not await other.held()
        await lease.aclose()
        await database.aclose()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("order", ["", "server_round_robin = 1\nmin_pool_size = 6"])
def test_a_pooler_without_sessions_is_refused_in_one_sentence(
    postgres: str, postgres_server: PostgresServer, mode: str, order: str
) -> None:
    with (
        PgBouncer(postgres, mode, f"{order}\nignore_startup_parameters = options") as pooler,
        pytest.raises(PoolerUnfit, match="session"),
    ):
        open_sample(pooler.url)
    found = postgres_server.execute(
        "SELECT 1 FROM pg_namespace WHERE nspname = 'veilmart'",
        postgres.split("/")[3].split("?")[0],
    )
    assert not found, "nothing was made there"


def test_a_command_says_how_to_set_the_pooler(postgres: str, tmp_path: Path) -> None:
    with PgBouncer(postgres, "transaction") as pooler:
        done = program("broker", "init", "--database", pooler.url, home=tmp_path / "home")
    said = done.stderr + done.stdout
    assert done.returncode
    assert b"5113" in said
    assert b"pool_mode" in said
    assert b"secret" not in said


@pytest.mark.parametrize("password", ["p@ss/w?rd#1", "a:b%41", "&=+ '["])
def test_a_quoted_password_opens_the_database(postgres: str, password: str) -> None:
    with PgBouncer(postgres, "session", password=password) as pooler:
        open_sample(pooler.url).close()
