"""Purchases here and in another work tree, in turns.

`python -m bench.compared TREE [ROUNDS [SECONDS]]`. `make bench` takes the tree from
$COMPARED_TREE and leaves the rows out without it. Each tree is measured by its own bench, with the
interpreter of its own .venv where it has one. The ratio of each round's pair is taken, so that a
busy machine gives wide figures and not wrong ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

VARIABLE = "COMPARED_TREE"
HERE = Path(__file__).parent.parent
ROUNDS = 5
SECONDS = 8.0
CUSTOMERS, PROCESSES = 16, 2
CPU, RATE, ONE = "processor time of a purchase", "purchases per second", "median of one purchase"
KINDS = {
    "account": ("bench.driver", {CPU: 0.5, RATE: 2.0, ONE: 0.6}),
    "anonymous": ("bench.anonymous_driver", {CPU: 0.5, RATE: 2.0}),
}
MEASURE = """
import asyncio, json, sys
from bench import purchases
module, seconds, single = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "single"
many = asyncio.run(purchases.measure({customers}, {processes}, seconds, module=module))
one = asyncio.run(purchases.measure(1, 1, seconds, module=module)) if single else None
print(json.dumps([one, many]))
"""


def measure(tree: Path, module: str, seconds: float, *, single: bool) -> dict[str, float]:
    """Sixteen customers, and one if `single`, with the code of `tree`. Milliseconds, and 1/s."""
    own = tree / ".venv/bin/python"
    python = str(own) if own.exists() else sys.executable
    program = MEASURE.format(customers=CUSTOMERS, processes=PROCESSES)
    words = (module, str(seconds), "single" if single else "many")
    done = subprocess.run(
        [python, "-c", program, *words],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": f"{tree / 'src'}:{tree}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{tree}: {done.stderr[-2000:]}")
    one, many = json.loads(done.stdout.splitlines()[-1])
    found: dict[str, Any] = {
        CPU: sum(many["cpu_ms_per_purchase"].values()),
        RATE: many["per_second"],
    }
    if one is not None:
        found[ONE] = one["median_ms"]
    for role, spent in many["cpu_ms_per_purchase"].items():
        found[role] = spent
    return found


def compare(
    other: Path, kind: str, rounds: int, seconds: float
) -> list[tuple[dict[str, float], dict[str, float]]]:
    """(here, there) of each round; every other round begins with the other tree."""
    module, reaches = KINDS[kind]
    pairs = []
    for number in range(rounds):
        trees = (HERE, other) if number % 2 else (other, HERE)
        found = {tree: measure(tree, module, seconds, single=ONE in reaches) for tree in trees}
        pairs.append((found[HERE], found[other]))
    return pairs


def rows(
    tree: str | None = None, rounds: int = ROUNDS, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """Rows of ratios, each with its spread over the rounds and the medians of both trees."""
    tree = tree or os.environ.get(VARIABLE)
    if not tree:
        print(f"${VARIABLE} names no other work tree: not measured.")
        return []
    found: list[dict[str, Any]] = []
    for kind, (_, reaches) in KINDS.items():
        pairs = compare(Path(tree).resolve(), kind, rounds, seconds)
        for name, reach in reaches.items():
            ratios = sorted(here[name] / there[name] for here, there in pairs)
            found.append(
                {
                    "name": f"{name}, {kind}, against the other tree",
                    "ratio": round(median(ratios), 2),
                    "spread": [round(ratios[0], 2), round(ratios[-1], 2)],
                    "reach": reach,
                    "at_most": name != RATE,
                    "here": _medians(here for here, _ in pairs),
                    "there": _medians(there for _, there in pairs),
                }
            )
    return found


def _medians(rounds: Any) -> dict[str, float]:
    kept = list(rounds)
    return {name: round(median(each[name] for each in kept), 2) for name in kept[0]}


if __name__ == "__main__":
    kinds = (str, int, float)
    for row in rows(*(kind(word) for kind, word in zip(kinds, sys.argv[1:], strict=False))):
        print(row)
