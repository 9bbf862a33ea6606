"""`python -m tests.soak [--purchases N] [--months M] [--engine sqlite|postgresql]`."""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.postgres import PostgresServer
from tests.soak.market import Life, Month
from veilmart.broker.home import initialise

SLOWER_MAX = 1.1
"""Processor time of a purchase in the last month, to that in the first."""
KEPT_MONTHS = 4
"""Transactions and answers of so many months are in the books at most: two wait to be folded."""


async def play(
    engine: str, purchases: int, months: int, seed: int, *, pace: bool = True
) -> list[str]:
    """Live through it, print a line for each month; what was not as it has to be.

    pace: whether a purchase that takes longer in the end counts; a short run is too noisy for it.
    """
    began = time.perf_counter()
    server = PostgresServer() if engine == "postgresql" else None
    with tempfile.TemporaryDirectory() as folder:
        url = None if server is None else server.new_database()
        opened = initialise(Path(folder) / "broker", os.urandom, database=url)
        life = Life(opened, url, random.Random(seed))
        await life.open_accounts()
        for number in range(months):
            count = purchases * (number + 1) // months - purchases * number // months
            await life.month(count)
            print(f"{engine} month {number + 1}: {described(life.months[-1])}", flush=True)
        await life.close()
    if server is not None:
        server.remove()
    took = time.perf_counter() - began
    print(
        f"{engine}: {purchases} purchases, {months} months, {life.deaths} deaths, "
        f"{life.restored} restores, {life.left} merchants left, {life.clock_steps} clock steps, "
        f"seed {seed}: {took:.0f} s"
    )
    return [*life.findings, *judged(life.months, pace=pace)]


def described(month: Month) -> str:
    rows = ", ".join(f"{name} {count}" for name, count in month.rows.items())
    return (
        f"{month.cpu_ms:.2f} ms of processor, {month.wall_ms:.2f} ms; "
        f"{month.size / 1e6:.1f} MB; {rows}"
    )


def judged(months: list[Month], *, pace: bool = True) -> list[str]:
    """Sentences about what grew."""
    found = []
    first, last = months[0], months[-1]
    if pace and last.cpu_ms > first.cpu_ms * SLOWER_MAX:
        found.append(f"A purchase took {first.cpu_ms:.2f} ms and then {last.cpu_ms:.2f} ms.")
    for name, per_purchase in (("transactions", 2), ("operations", 3)):
        most = KEPT_MONTHS * per_purchase * last.purchases + 100 * len(months)
        if last.rows[name] > most:
            found.append(f"There are {last.rows[name]} rows of {name}, {most} at most.")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--purchases", type=int, default=200_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--engine", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    engines = ("sqlite", "postgresql") if chosen.engine == "both" else (chosen.engine,)
    broken = []
    for engine in engines:
        broken += asyncio.run(play(engine, chosen.purchases, chosen.months, chosen.seed))
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
