"""`python -m tests.soak [--purchases N] [--months M] [--engine sqlite|postgresql|both]`.

Both databases side by side, each in a process of its own.
"""

import argparse
import sys

from tests.soak.playing import play_now
from tests.support.worker_pool import until_interrupted, worker_pool


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--purchases", type=int, default=200_000, help="of all databases together")
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--engine", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    engines = ("sqlite", "postgresql") if chosen.engine == "both" else (chosen.engine,)
    purchases = chosen.purchases // len(engines)
    with worker_pool(len(engines)) as pool:
        playing = {
            engine: pool.submit(play_now, engine, purchases, chosen.months, chosen.seed)
            for engine in engines
        }
        broken = [f"{name}: {line}" for name, found in playing.items() for line in found.result()]
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(until_interrupted(main))
