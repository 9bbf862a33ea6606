"""`python -m tests.hostile [ATTACK ...]`: honest purchases with and without each attack.

Prints a table; the exit code is 1 when honest purchases did not go on or memory was not bounded.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.hostile.attacks import ATTACKS
from tests.hostile.measuring import Measured, battlefield
from tests.support.worker_pool import until_interrupted

SECONDS = 12.0
PER_SECOND = 3.0
MEMORY_MAX_MIB = 512


def problems(measured: Measured) -> list[str]:
    """Why this is not good enough; empty when it is."""
    found = []
    seen = measured.seen
    failed = sum(seen.failures.values())
    if len(seen.visits) <= failed:
        found.append(f"{len(seen.visits)} purchases, {failed} failures")
    peak = max(measured.memory.broker_peak, measured.memory.merchant_peak)
    if peak > MEMORY_MAX_MIB:
        found.append(f"{peak:.0f} MiB")
    return found


def draw(rows: list[Measured], console: Console) -> None:
    table = Table(
        "attack",
        "purchases",
        "failed",
        "median ms",
        "95th ms",
        "login ms",
        "broker MiB",
        "merchant MiB",
        "the attack",
    )
    for row in rows:
        seen, memory = row.seen, row.memory
        table.add_row(
            row.name,
            str(len(seen.visits)),
            ", ".join(f"{count} of {code}" for code, count in seen.failures.items()) or "0",
            milliseconds(seen.visits, 0.5),
            milliseconds(seen.visits, 0.95),
            milliseconds(seen.logins, 0.5),
            f"{memory.broker:.0f} (most {memory.broker_peak:.0f})",
            f"{memory.merchant:.0f} (most {memory.merchant_peak:.0f})",
            ", ".join(f"{count} {what}" for what, count in sorted(row.counts.items())),
        )
    console.print(table)


def milliseconds(durations: list[float], share: float) -> str:
    """The quantile in ms."""
    if not durations:
        return "none"
    if share == 0.5:
        return f"{median(durations) * 1000:.0f}"
    ordered = sorted(durations)
    return f"{ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000:.0f}"


async def measure_all(names: list[str], seconds: float) -> list[Measured]:
    with tempfile.TemporaryDirectory(prefix="veilmart-hostile-") as folder:
        async with battlefield(Path(folder), PER_SECOND) as field:
            await field.measure(None, 2.0)  # warm
            rows = [await field.measure(None, seconds)]
            for name in names:
                rows.append(await field.measure(name, seconds))
                print(name, flush=True)
            rows.append(await field.measure(None, seconds))
    return rows


def main() -> int:
    wanted = sys.argv[1:] or list(ATTACKS)
    unknown = [name for name in wanted if name not in ATTACKS]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}. There are {', '.join(ATTACKS)}.", file=sys.stderr)
        return 2
    rows = asyncio.run(measure_all(wanted, SECONDS))
    console = Console(width=220 if not sys.stdout.isatty() else None)
    draw(rows, console)
    wrong = [(row.name, found) for row in rows for found in problems(row)]
    for name, found in wrong:
        console.print(f"{name}: {found}", markup=False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(until_interrupted(main))
