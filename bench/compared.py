"""`python -m bench.compared TREE [ROUNDS]`: purchases here and in another work tree, in turns.

Both are measured by their own bench with the same interpreter; medians of the rounds and their
spread are printed, and the ratio of each round's pair, so that a busy machine gives wide figures.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent.parent
SECONDS = 8.0
MEASURE = """
import asyncio, json, sys
from bench import purchases
module = sys.argv[1]
one = asyncio.run(purchases.measure(1, 1, {seconds}, module=module))
many = asyncio.run(purchases.measure(16, 2, {seconds}, module=module))
print(json.dumps([one, many]))
"""


def measure(tree: Path, module: str) -> dict[str, float]:
    """One customer, then sixteen, with the code of `tree`."""
    environment = {**os.environ, "PYTHONPATH": f"{tree / 'src'}:{tree}"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(seconds=SECONDS), module],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    one, many = json.loads(done.stdout.splitlines()[-1])
    found: dict[str, Any] = {
        "processor time of a purchase, ms": sum(many["cpu_ms_per_purchase"].values()),
        "purchases per second, 16 customers": many["per_second"],
        "median of one purchase, ms": one["median_ms"],
    }
    for role, spent in many["cpu_ms_per_purchase"].items():
        found[f"processor time, {role}, ms"] = spent
    return found


def main() -> None:
    """Print one line for each figure: this tree, the other, ratio with its spread."""
    other = Path(sys.argv[1]).resolve()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for module, kind in (("bench.driver", "account"), ("bench.anonymous_driver", "anonymous")):
        pairs = []
        for number in range(rounds):
            trees = (HERE, other) if number % 2 else (other, HERE)
            found = {tree: measure(tree, module) for tree in trees}
            pairs.append((found[HERE], found[other]))
        for name in pairs[0][0]:
            ratios = sorted(here[name] / there[name] for here, there in pairs)
            here = median(here[name] for here, _ in pairs)
            there = median(there[name] for _, there in pairs)
            spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            print(f"{kind}: {name}: {here:.2f}, {there:.2f}; {median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main()
