"""`python -m bench [NAME ...]`: measure, print one table, write bench/out/results.json.

Ratios are taken within one run. Figures in purchases per second and milliseconds depend on the
machine and on what else it is doing; the load average is written beside them.
"""

import asyncio
import importlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import ciphers, counts, purchases
from veilmart.terminal.memory import keep_freed_memory

OUT = Path(__file__).parent / "out" / "results.json"
# Modules with a function `rows`. Some need what may not be there, and then give no row: another
# work tree ($COMPARED_TREE), an environment with nutshell ($NUTSHELL_PYTHON).
OPTIONAL = (
    "streams",
    "idle_streams",
    "compared",
    "nutshell",
    "postgres",
    "delivery",
    "catalogue",
    "goods_page",
    "blind",
    "simulated",
    "tokens",
    "anonymous",
    "exports",
    "folding",
    "importing",
)
SECONDS = 15.0
SINGLE_SECONDS = 8.0

Row = dict[str, Any]


def cipher_rows() -> list[Row]:
    return [*ciphers.measure_khae(), *ciphers.measure_mix()]


def single_rows() -> list[Row]:
    """One customer, one purchase after another, nothing else running."""
    found = asyncio.run(purchases.measure(1, 1, SINGLE_SECONDS))
    return [
        {
            "name": "one purchase of 10 KiB, median",
            "figure": found["median_ms"],
            "unit": "ms",
            "reach": 20,
            "at_most": True,
            **found,
        }
    ]


def throughput_rows() -> list[Row]:
    """Sixteen customers in two processes; all parties share this machine."""
    found = asyncio.run(purchases.measure(16, 2, SECONDS))
    total = sum(found["cpu_ms_per_purchase"].values())
    return [
        {
            "name": "purchases, 16 customers in 2 processes",
            "figure": found["per_second"],
            "unit": "/s",
            "reach": 150,
            **found,
        },
        {
            "name": "processor time per purchase, all parties",
            "figure": round(total, 2),
            "unit": "ms",
            "reach": 12,
            "at_most": True,
        },
    ]


def runs() -> dict[str, Callable[[], list[Row]]]:
    """What can be measured here, by name."""
    found: dict[str, Callable[[], list[Row]]] = {
        "ciphers": cipher_rows,
        "counts": counts.rows,
        "single": single_rows,
        "throughput": throughput_rows,
    }
    for name in OPTIONAL:
        if importlib.util.find_spec(f"bench.{name}") is not None:
            found[name] = importlib.import_module(f"bench.{name}").rows
    return found


def measured(row: Row) -> tuple[float, bool]:
    """The row's figure, and whether it is what was to be reached."""
    figure = float(row["ratio"] if "ratio" in row else row["figure"])
    reach = float(row["reach"])
    return figure, figure <= reach if row.get("at_most") else figure >= reach


def draw(rows: list[Row], console: Console) -> None:
    table = Table("what", "measured", "to reach", "reached")
    for row in rows:
        figure, reached = measured(row)
        spread = row.get("spread")
        between = f" ({spread[0]:g} to {spread[1]:g})" if spread else ""
        bound = "at most" if row.get("at_most") else "at least"
        unit = row.get("unit", "")
        table.add_row(
            row["name"],
            f"{figure:g} {unit}".strip() + between,
            f"{bound} {row['reach']:g} {unit}".strip(),
            "yes" if reached else "no",
        )
    console.print(table)


def main() -> int:
    available = runs()
    wanted = sys.argv[1:] or list(available)
    unknown = [name for name in wanted if name not in available]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}. There are {', '.join(available)}.", file=sys.stderr)
        return 2
    keep_freed_memory()
    console = Console()
    rows: list[Row] = []
    for name in wanted:
        console.print(f"Measuring {name} ...")
        rows += available[name]()
    draw(rows, console)
    OUT.parent.mkdir(exist_ok=True)
    machine = {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }
    OUT.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
