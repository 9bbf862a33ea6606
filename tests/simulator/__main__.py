"""`python -m tests.simulator [SEEDS] [--first N] [--story]`: many runs on all cores.

Stops at the first seed that breaks an invariant, prints its story and ends with code 1. The same
seed plays the same story: `python -m tests.simulator 1 --first SEED --story`.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.simulator.many import play_all
from tests.simulator.run import WALLET_FOLDERS, Outcome
from tests.simulator.totals import Totals
from tests.support.worker_pool import until_interrupted

_TOLD_EVERY_SECONDS = 10.0


def main() -> int:
    options = _options()
    seeds = range(options.first, options.first + options.seeds)
    totals, told = Totals(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="market-", dir=WALLET_FOLDERS) as folder:
        for outcome in play_all(Path(folder), seeds, options.workers, options.story):
            totals.add(outcome)
            if outcome.broken:
                _tell(outcome)
                return 1
            if options.story:
                print(outcome.story)
            if time.monotonic() - told > _TOLD_EVERY_SECONDS:
                told = time.monotonic()
                print(totals.line(len(seeds)), flush=True)
    print(totals.text())
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator")
    parser.add_argument("seeds", type=int, nargs="?", default=2000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--story", action="store_true", help="print every story")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _tell(outcome: Outcome) -> None:
    print(outcome.story)
    print(f"\nSeed {outcome.seed} broke:")
    for sentence in outcome.broken:
        print(f"  {sentence}")
    print(f"Again: .venv/bin/python -m tests.simulator 1 --first {outcome.seed}")


if __name__ == "__main__":
    sys.exit(until_interrupted(main))
