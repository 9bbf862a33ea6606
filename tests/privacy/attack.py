"""`make privacy`, its long part: a trained attacker on some hundreds of real purchases.

    python -m tests.privacy.attack [SECONDS [ROW ...]]

One row for each shelf and way to pay, for fetching again, and for a product that was not read since
the caches were cold; then the controls, which have to be recognised. Bounded in time: each row buys
until its share of SECONDS (420 unless said otherwise) is over, and at least 25 times, for which a
busy machine takes longer. ROW: only these, by their beginnings. Exit code 1 when a row is
recognised or a control is not.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.privacy.attacked_market import PRODUCTS, Attack, attacked_market
from tests.privacy.classifier import Verdict, attack as classify
from tests.privacy.controls import acknowledged_at_once, slow_by_product
from tests.support.roles import Clock, Template, make_template

BATCH = 2 * PRODUCTS
PURCHASES_MIN, PURCHASES_MAX = 25, 200
SMALL_DIFFERENCE = 90
"""Purchases that show 2 ms on a busy machine: 30 did not, at a load of 11."""
EXTREMES = (0, PRODUCTS - 1)

Play = Callable[[Attack, float], Awaitable[None]]


def goes_on(attack: Attack, ends: float, least: int = PURCHASES_MIN) -> bool:
    """Whether a row needs more purchases."""
    bought = len(attack.record.rows)
    return bought < least or (time.monotonic() < ends and bought < PURCHASES_MAX)


def buying(
    *,
    by_token: bool,
    of: tuple[int, ...] = tuple(range(PRODUCTS)),
    least: int = PURCHASES_MIN,
) -> Play:
    """Purchases until the time is over, each product alike often."""

    async def play(attack: Attack, ends: float) -> None:
        while goes_on(attack, ends, least):
            await attack.purchases(BATCH, by_token=by_token, of=of)

    return play


def fetching() -> Play:
    """Each product once, then fetched again until the time is over."""

    async def play(attack: Attack, ends: float) -> None:
        await attack.purchases(PRODUCTS, by_token=False)
        await asyncio.sleep(1)  # the merchant hears that they were settled
        attack.record.rows, attack.record.labels = [], []
        while goes_on(attack, ends):
            await attack.fetches(BATCH)

    return play


def cold() -> Play:
    """One product's files have left the system's cache before half of the purchases of it.

    The label is whether they had: 0 or 1.
    """

    async def play(attack: Attack, ends: float) -> None:
        labels = []
        while goes_on(attack, ends):
            for is_cold in attack.random.sample([0, 1] * PRODUCTS, BATCH):
                if is_cold:
                    forget_files(attack.roles.merchant_home)
                else:
                    read_files(attack.roles.merchant_home)
                await attack.purchases(1, by_token=False, of=(0,))
                labels.append(is_cold)
        attack.record.labels = labels

    return play


def forget_files(folder: Path) -> None:
    """What the merchant keeps on disk leaves the system's cache."""
    for path in folder.rglob("*"):
        if path.is_file() and "sqlite" not in path.name and ".db" not in path.name:
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def read_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.read_bytes()


RUNS: list[tuple[str, str, Play]] = [
    ("small, account", "small", buying(by_token=False)),
    ("middle, token", "middle", buying(by_token=True)),
    ("big, account", "big", buying(by_token=False)),
    ("big, token", "big", buying(by_token=True)),
    ("codes, account", "codes", buying(by_token=False)),
    ("big, fetched again", "big", fetching()),
    ("big, cold or warm", "big", cold()),
]
on_a_slow_disk = partial(acknowledged_at_once, seconds_per_product=0.01)
"""40 ms between the smallest and the largest product: what a busy machine's noise does not hide."""
CONTROLS: list[tuple[str, str, Callable[[Attack], Any], Play]] = [
    (
        "2 ms per product",
        "small",
        slow_by_product,
        buying(by_token=False, least=SMALL_DIFFERENCE),
    ),
    ("acknowledged when written", "big", on_a_slow_disk, buying(by_token=False, of=EXTREMES)),
]


async def measured(
    template: Template,
    folder: Path,
    run: tuple[str, Play],
    seconds: float,
    *,
    control: Callable[[Attack], Any] = nullcontext,
    padded: bool = True,
) -> Verdict:
    shelf, play = run
    folder.mkdir()
    async with attacked_market(template, folder, shelf, seed=1, padded=padded) as attack:
        with control(attack):
            await play(attack, time.monotonic() + seconds)
    table, labels, names = attack.record.table()
    return classify(table, np.unique(labels, return_inverse=True)[1], names, seed=1)


async def main(seconds: float, rows: list[str]) -> int:
    """The number of rows that are not as they should be. rows: beginnings of names, [] for all."""
    share = seconds / (2 * len(RUNS) + len(CONTROLS) + 1)
    wrong = 0

    def wanted(name: str) -> bool:
        return not rows or any(name.startswith(row) for row in rows)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        template = make_template(folder, Clock())
        print(f"{date.today()}: what a broker learns from purchases that differ in the product")
        for number, (name, shelf, play) in enumerate(RUNS):
            if not wanted(name):
                continue
            found = await measured(template, folder / f"run{number}", (shelf, play), 2 * share)
            wrong += found.recognised
            print(
                f"{name:28}{found.line()}{'  RECOGNISED' if found.recognised else ''}", flush=True
            )
        controls: list[tuple[str, tuple[str, Play], dict[str, Any]]] = [
            (name, (shelf, play), {"control": control}) for name, shelf, control, play in CONTROLS
        ]
        controls.append(("no padding", ("small", buying(by_token=False)), {"padded": False}))
        for number, (name, run, how) in enumerate(controls):
            if not wanted(name):
                continue
            found = await measured(template, folder / f"control{number}", run, share, **how)
            wrong += not found.recognised
            said = "recognised" if found.recognised else "NOT RECOGNISED"
            print(f"control: {name:19}{found.line()}  {said}", flush=True)
    return wrong


if __name__ == "__main__":
    limit = float(sys.argv[1]) if len(sys.argv) > 1 else 420.0
    sys.exit(1 if asyncio.run(main(limit, sys.argv[2:])) else 0)
