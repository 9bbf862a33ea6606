"""Processor time of a purchase in the simulator, with all that goes wrong and every check."""

import os
import tempfile
from pathlib import Path
from typing import Any

from tests.simulator.many import play_all
from tests.simulator.totals import Totals

RUNS = 60
REACH_MS = 5


def rows() -> list[dict[str, Any]]:
    totals = Totals()
    with tempfile.TemporaryDirectory(prefix="market-") as folder:
        for outcome in play_all(Path(folder), range(RUNS), os.cpu_count() or 1, keep_story=False):
            totals.add(outcome)
    return [
        {
            "name": "processor time per simulated purchase",
            "figure": round(totals.cpu_ms_per_purchase, 1),
            "unit": "ms",
            "reach": REACH_MS,
            "at_most": True,
            "purchases": totals.purchases,
            "faults": dict(totals.faults),
        }
    ]
