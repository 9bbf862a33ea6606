"""A whole market on PostgreSQL with two workers per role, one of which is killed."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer
from tests.support.programs import run_command, run_json
from tests.support.shop_market import GOODS
from tests.support.waiting import until
from tests.system.shared_market import shared_market
from veilmart.errors import DatabaseAway, ServerBusy, ServerFault

pytestmark = [pytest.mark.long, pytest.mark.postgres]


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def all_work(pid: int) -> bool:
    """Whether both workers of a server run."""
    return len(children(pid)) == 2


async def test_purchases_go_on_when_workers_are_killed(
    tmp_path: Path, postgres: str, postgres_server: PostgresServer
) -> None:
    async with shared_market(tmp_path, postgres, 2) as market:
        home = await market.customer("anna", "1000")
        for turn, title in enumerate([*GOODS] * 2):
            for server in (market.broker, market.merchant):
                os.kill(children(server.pid)[turn % 2], signal.SIGKILL)
            out = tmp_path / f"out{turn}"
            try:
                await market.buy(home, title, out, "--again")
            except ServerFault:
                # Whatever was cut off is finished or given back.
                await run_command("customer", "sync", "--home", str(home))
            for server in (market.broker, market.merchant):
                await until(partial(all_work, server.pid))
        audit = await run_json("broker", "audit", "--home", str(market.broker_home))
        assert audit["ok"]
        bought = [path for path in tmp_path.glob("out*/*") if path.is_file()]
        assert bought
        for path in bought:
            assert path.read_bytes() == GOODS[path.name]
        workers = [child for s in (market.broker, market.merchant) for child in children(s.pid)]
        assert len(workers) == 4
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


async def test_a_database_that_goes_away_and_comes_back_costs_nothing(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        async with shared_market(tmp_path, server.new_database(), 2) as market:
            home = await market.customer("anna", "100")
            first, second, *_ = GOODS
            await market.buy(home, first, tmp_path / "out")
            server.stop()
            with pytest.raises(ServerFault, match=str(ServerBusy.code)):
                await market.buy(home, second, tmp_path / "out")
            with pytest.raises(ServerFault, match=str(DatabaseAway.code)):
                await run_command("broker", "audit", "--home", str(market.broker_home))
            server.start()
            await run_command("customer", "sync", "--home", str(home))
            balance = await run_json("customer", "balance", "--home", str(home))
            assert balance["balance"] == "95.00", "nothing was paid while it was away"
            await market.buy(home, second, tmp_path / "out")
            for name in (first, second):
                assert (tmp_path / "out" / name).read_bytes() == GOODS[name]
            audit = await run_json("broker", "audit", "--home", str(market.broker_home))
            assert audit["ok"]
    finally:
        server.remove()


async def test_several_workers_need_postgresql(tmp_path: Path) -> None:
    home = str(tmp_path / "broker")
    await run_command("broker", "init", "--home", home)
    with pytest.raises(ServerFault, match="PostgreSQL"):
        await run_command("broker", "run", "--workers", "2", "--port", "0", "--home", home)
