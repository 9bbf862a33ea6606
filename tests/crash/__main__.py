"""`python -m tests.crash [SCENARIO ...]`: kill everything everywhere, on both databases.

Two processes work at the same time, each with a market of its own. Prints a table and what went
wrong; the exit code is 1 if anything did.
"""

import sys
import time
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.crash.database_killed import Figures
from tests.crash.matrix import STEPS
from tests.crash.playing import PROCESSES, Result, kill_database, play_or_tell
from tests.support.worker_pool import WorkerPool, until_interrupted, worker_pool

DATABASES = ("SQLite", "PostgreSQL")
SERVER = "database server"
CUSTOMERS, SERVER_KILLS, SEED = 6, 10, 5


def draw(results: list[Result], console: Console) -> None:
    table = Table("scenario", "step", *(f"{d}: right / killed" for d in DATABASES), "median s")
    for scenario, steps in STEPS.items():
        for step in steps:
            mine = [
                (database, outcome)
                for database, outcome in results
                if (outcome.case.scenario, outcome.case.step) == (scenario, step.name)
            ]
            if not mine:
                continue
            counts = []
            for database in DATABASES:
                of = [outcome for named, outcome in mine if named == database]
                counts.append(f"{sum(not o.problem for o in of)} / {len(of)}")
            seconds = median(outcome.seconds for _, outcome in mine)
            table.add_row(scenario, step.name, *counts, f"{seconds:.2f}")
    console.print(table)


def tell_server(found: Figures | str, console: Console) -> bool:
    """One line on the database server's kills; whether nothing was lost."""
    if isinstance(found, str):
        console.print(f"PostgreSQL's server killed: {found}", markup=False)
        return False
    console.print(
        f"PostgreSQL's server killed {found.kills} times under load of {CUSTOMERS} customers: "
        f"{found.bought} purchases, {found.acknowledged} acknowledged writes and {found.credits} "
        f"credits looked up, {len(found.lost)} lost, back after "
        f"{median(found.away_seconds):.1f} s (median), errors by code {dict(found.errors)}",
        markup=False,
    )
    for loss in found.lost:
        console.print(f"  LOST {loss}", markup=False)
    return not found.lost


def main() -> int:
    wanted = sys.argv[1:] or [*STEPS, SERVER]
    unknown = [name for name in wanted if name not in (*STEPS, SERVER)]
    if unknown:
        known = ", ".join((*STEPS, SERVER))
        print(f"Unknown: {', '.join(unknown)}. There are {known}.", file=sys.stderr)
        return 2
    console = Console()
    with worker_pool(PROCESSES) as pool:
        right = play_all([name for name in wanted if name in STEPS], pool, console)
        if SERVER in wanted:
            found = pool.submit(kill_database, CUSTOMERS, SERVER_KILLS, SEED).result()
            right = tell_server(found, console) and right
    return 0 if right else 1


def play_all(wanted: list[str], pool: WorkerPool, console: Console) -> bool:
    """Every case of these scenarios, on both databases; whether every end was right."""
    if not wanted:
        return True
    began = time.monotonic()
    work = [
        (name, database, n) for name in wanted for database in DATABASES for n in range(PROCESSES)
    ]
    results: list[Result] = []
    for name, found in zip(work, pool.map(play_or_tell, *zip(*work, strict=True)), strict=True):
        results += found
        wrong = sum(bool(outcome.problem) for _, outcome in found)
        print(
            *name,
            f"{len(found)} kills, {wrong} wrong, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    draw(results, console)
    failed = [(database, outcome) for database, outcome in results if outcome.problem]
    for database, outcome in failed:
        console.print(f"{database}: {outcome.case}: {outcome.problem}", markup=False)
    spent = time.monotonic() - began
    right = len(results) - len(failed)
    console.print(f"{len(results)} kills, {right} with the right end, {spent:.0f} seconds")
    return not failed


if __name__ == "__main__":
    sys.exit(until_interrupted(main))
