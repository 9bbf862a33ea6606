"""`python -m tests.crash [SCENARIO ...]`: kill everything everywhere, on both databases.

Two processes work at the same time, each with a market of its own. Prints a table and what went
wrong; the exit code is 1 if anything did.
"""

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.crash.matrix import STEPS
from tests.crash.playing import PROCESSES, Result, play_or_tell

DATABASES = ("SQLite", "PostgreSQL")


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


def main() -> int:
    wanted = sys.argv[1:] or list(STEPS)
    unknown = [name for name in wanted if name not in STEPS]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}. There are {', '.join(STEPS)}.", file=sys.stderr)
        return 2
    began = time.monotonic()
    work = [
        (name, database, n) for name in wanted for database in DATABASES for n in range(PROCESSES)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        results: list[Result] = []
        for name, found in zip(work, pool.map(play_or_tell, *zip(*work, strict=True)), strict=True):
            results += found
            print(*name, len(found), "kills", f"{time.monotonic() - began:.0f} s", flush=True)
    console = Console()
    draw(results, console)
    wrong = [(database, outcome) for database, outcome in results if outcome.problem]
    for database, outcome in wrong:
        console.print(f"{database}: {outcome.case}: {outcome.problem}", markup=False)
    spent = time.monotonic() - began
    right = len(results) - len(wrong)
    console.print(f"{len(results)} kills, {right} with the right end, {spent:.0f} seconds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
