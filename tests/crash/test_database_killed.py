"""PostgreSQL's server killed under load, once here and more often in `make crash`."""

import tempfile
from pathlib import Path

import pytest

from tests.crash.database_killed import kill_under_load
from tests.crash.market import running_market
from tests.support.postgres import PostgresServer


@pytest.mark.postgres
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
async def test_no_acknowledged_write_is_lost() -> None:
    server = PostgresServer(durable=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with running_market(Path(folder), server.new_database()) as market:
                figures = await kill_under_load(server, market, customers=3, kills=1, seed=5)
    finally:
        server.remove()
    assert figures.lost == []
    assert figures.kills == 1
    assert figures.acknowledged
    assert figures.errors, "nobody noticed the kill"
