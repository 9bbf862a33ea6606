"""One process's share of a scenario: a market of its own, and one case after the other."""

import asyncio
import tempfile
import warnings
from pathlib import Path

from tests.crash.cases import DIALLED, Case, Outcome, find_cases, run_case
from tests.crash.database_killed import Figures, kill_under_load
from tests.crash.market import running_market
from tests.support.postgres import PostgresServer
from veilmart.errors import VeilmartError

PROCESSES = 2
Result = tuple[str, Outcome]


async def play(scenario: str, folder: Path, database: str | None, share: int) -> list[Outcome]:
    """This process's share of a scenario's cases."""
    async with running_market(folder, database, dials=scenario in DIALLED) as market:
        cases = await find_cases(market, scenario)
        return [await run_case(market, case) for case in cases[share::PROCESSES]]


def play_on(scenario: str, database: str, share: int) -> list[Result]:
    """`play` on an empty database of that kind."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="veilmart-crash-") as name:
        folder = Path(name)
        if database == "SQLite":
            found = asyncio.run(play(scenario, folder, None, share))
        else:
            server = PostgresServer()
            try:
                found = asyncio.run(play(scenario, folder, server.new_database(), share))
            finally:
                server.remove()
    return [(database, outcome) for outcome in found]


def play_or_tell(scenario: str, database: str, share: int) -> list[Result]:
    """`play_on`; a market that cannot even be played without kills is a failure as well."""
    try:
        return play_on(scenario, database, share)
    except (AssertionError, TimeoutError, ValueError, VeilmartError) as fault:
        case = Case(scenario, "without a kill", "", "", 0)
        return [(database, Outcome(case, f"{type(fault).__name__}: {fault}", 0))]


def kill_database(customers: int, kills: int, seed: int) -> Figures | str:
    """PostgreSQL's server killed under load; the figures, or why the market did not heal."""
    warnings.simplefilter("ignore")
    server = PostgresServer(durable=True)
    try:
        return asyncio.run(_kill_database(server, customers, kills, seed))
    except (AssertionError, TimeoutError, ValueError, VeilmartError) as fault:
        return f"{type(fault).__name__}: {fault}"
    finally:
        server.remove()


async def _kill_database(server: PostgresServer, customers: int, kills: int, seed: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="veilmart-crash-") as folder:
        async with running_market(Path(folder), server.new_database()) as market:
            return await kill_under_load(server, market, customers, kills, seed)
