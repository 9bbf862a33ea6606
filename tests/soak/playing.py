"""One market's life on one database, and what is judged of it in the end."""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tests.soak.market import Life, Month
from tests.support.postgres import PostgresServer
from veilmart.broker.audit.findings import Breather
from veilmart.broker.home import initialise
from veilmart.broker.maintenance import fold_months

SLOWER_MAX = 1.1
"""Processor time of a purchase in the last month, to that in the first.

Both are in units of a fixed piece of work of the same month, as other programs slow a machine down.
"""
GROWTH_MAX_BYTES = 2000
"""What an order leaves for good: its invoice, its report and its share of folded postings."""
PAGES_BYTES = 2**20
"""What a database takes in advance."""
KEPT_MONTHS = 4
"""Transactions and answers of so many months are in the books at most: two wait to be folded."""


FOLDERS = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""A disk that need not be waited for: the soak kills no machine."""


async def play(
    engine: str, purchases: int, months: int, seed: int, *, pace: bool = True
) -> list[str]:
    """Live through it, print a line for each month; what was not as it has to be.

    pace: whether a purchase that takes longer in the end counts; a short run is too noisy for it.
    """
    began = time.perf_counter()
    server = PostgresServer() if engine == "postgresql" else None
    try:
        with tempfile.TemporaryDirectory(dir=FOLDERS) as folder, _restless():
            url = None if server is None else server.new_database()
            life = await _lived(Path(folder), url, engine, (purchases, months), seed)
    finally:
        if server is not None:
            server.remove()
    took = time.perf_counter() - began
    print(
        f"{engine}: {purchases} purchases, {months} months, {life.deaths} deaths, "
        f"{life.restored} restores, {life.left} merchants left, {life.clock_steps} clock steps, "
        f"seed {seed}: {took:.0f} s"
    )
    return [*life.findings, *judged(life.months, pace=pace)]


@contextmanager
def _restless() -> Iterator[None]:
    """Time is virtual and nobody buys beside an audit or a fold: neither rests."""
    with (
        mock.patch.object(fold_months, "REST", 0.0),
        mock.patch.object(Breather, "__call__", lambda _self: None),
    ):
        yield


async def _lived(
    folder: Path, url: str | None, engine: str, much: tuple[int, int], seed: int
) -> Life:
    """much: purchases and months."""
    purchases, months = much
    life = Life(initialise(folder / "broker", os.urandom, database=url), url, random.Random(seed))
    await life.open_accounts()
    for number in range(months):
        count = purchases * (number + 1) // months - purchases * number // months
        await life.month(count)
        print(f"{engine} month {number + 1}: {described(life.months[-1])}", flush=True)
    await life.close()
    return life


def described(month: Month) -> str:
    rows = ", ".join(f"{name} {count}" for name, count in month.rows.items())
    return (
        f"{month.cpu_ms:.2f} ms of processor ({month.cpu_ms / month.fixed_ms:.2f} of the fixed "
        f"work's), {month.wall_ms:.2f} ms; "
        f"{month.size / 1e6:.1f} MB; {rows}"
    )


def judged(months: list[Month], *, pace: bool = True) -> list[str]:
    """Sentences about what grew."""
    found = []
    first, last = months[0], months[-1]
    slower = (last.cpu_ms / last.fixed_ms) / (first.cpu_ms / first.fixed_ms)
    if pace and slower > SLOWER_MAX:
        found.append(f"A purchase of the last month took {slower:.2f} of one of the first.")
    half = months[len(months) // 2]
    bought = sum(month.purchases for month in months[len(months) // 2 + 1 :])
    if last.size - half.size > GROWTH_MAX_BYTES * bought + PAGES_BYTES:
        found.append(f"{bought} purchases made the database {last.size - half.size} bytes longer.")
    for name, per_purchase in (("transactions", 2), ("operations", 3)):
        most = KEPT_MONTHS * per_purchase * last.purchases + 100 * len(months)
        if last.rows[name] > most:
            found.append(f"There are {last.rows[name]} rows of {name}, {most} at most.")
    return found


def play_now(engine: str, purchases: int, months: int, seed: int) -> list[str]:
    return asyncio.run(play(engine, purchases, months, seed))
