"""A primary dies under load, comes back as a standby, and the address moves to the promoted one."""

import asyncio
import itertools
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.storage.database.sample_tables import decide, names, open_sample
from tests.support.postgres_pair import PostgresPair, pair as pair
from veilmart.errors import DatabaseAway, ServerBusy
from veilmart.storage.database.isolation import snapshot, statement
from veilmart.storage.database.port import Database

WRITERS = 6
GO_ON_WITHIN_SECONDS = 30


class Load:
    """Writers that do not stop; which writes were acknowledged, and when the last one was."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.acknowledged: list[str] = []
        self.failures = 0
        self.stopped = False

    async def write(self, writer: int, mark: Callable[..., object]) -> None:
        for number in itertools.count():
            if self.stopped:
                return
            name = f"{writer}-{number}"

            def transaction(connection: sa.Connection, name: str = name) -> int:
                return decide(connection, name)

            mark(transaction)
            try:
                await self.database.run(transaction)
                self.acknowledged.append(name)
            except (DatabaseAway, ServerBusy):
                self.failures += 1
            await asyncio.sleep(0.01)

    async def goes_on(self) -> float:
        """Seconds until twenty more writes were acknowledged."""
        begun, before = time.monotonic(), len(self.acknowledged)
        async with asyncio.timeout(GO_ON_WITHIN_SECONDS):
            while len(self.acknowledged) < before + 20:
                await asyncio.sleep(0.02)
        return time.monotonic() - begun


async def fail_over_under_load(pair: PostgresPair, url: str, times: int) -> None:
    database = await asyncio.to_thread(open_sample, url)
    load = Load(database)
    marks = (lambda function: function, snapshot, statement)
    writers = [
        asyncio.create_task(load.write(number, marks[number % 3])) for number in range(WRITERS)
    ]
    try:
        for _ in range(times):
            await load.goes_on()
            await pair.fail_over()
            await load.goes_on()
            await pair.follow()
    finally:
        load.stopped = True
        await asyncio.gather(*writers)
    assert load.failures, "the load was meant to meet the failover"
    kept = await database.run(names)
    await database.aclose()
    lost = set(load.acknowledged) - kept
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} acknowledged writes"


@pytest.mark.parametrize("way", ["moving address", "several hosts"])
async def test_writes_go_on_after_a_failover_and_none_is_lost(pair: PostgresPair, way: str) -> None:
    url = pair.url if way == "moving address" else pair.several_hosts_url
    await fail_over_under_load(pair, url, 1)


@pytest.mark.long
async def test_writes_survive_twenty_failovers(pair: PostgresPair) -> None:
    await fail_over_under_load(pair, pair.url, 20)


async def test_a_standby_is_refused_by_name(pair: PostgresPair) -> None:
    with pytest.raises(DatabaseAway, match="standby"):
        open_sample(f"postgresql://postgres@127.0.0.1:{pair.standby.port}/market")


async def test_a_server_that_turns_read_only_is_left_at_once(pair: PostgresPair) -> None:
    """As some fail-over scripts fence an old primary: its sessions stay open, and write no more."""
    database = await asyncio.to_thread(open_sample, pair.url)
    await asyncio.gather(*(database.run(decide, f"before {n}") for n in range(8)))
    pair.primary.ask("ALTER SYSTEM SET default_transaction_read_only = on")
    pair.primary.ask("SELECT pg_reload_conf()")
    with pytest.raises(DatabaseAway):
        for number in range(500):  # until the server has told its sessions
            await database.run(decide, f"not yet {number}")
            await asyncio.sleep(0.02)
    pair.relay.target = pair.standby.port
    await asyncio.to_thread(pair.standby.control, "promote")
    await asyncio.gather(*(database.run(decide, f"after {n}") for n in range(8)))
    kept = [name for name in await database.run(names) if not name.startswith("not yet")]
    assert len(kept) == 16
    await database.aclose()
