"""Memory of a broker's exports: `python -m bench exports`.

Each table has ROWS rows (`ROWS=1000000 python -m bench exports`, the default is 200,000). Each
export is a process of its own; the figure is its largest resident set, compared with that of an
export of no month, which is the program itself.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.broker_exports import GROWING, fill

from veilmart.broker.home import initialise

ROWS = 200_000
Row = dict[str, Any]


def measure(home: Path, kind: str) -> tuple[float, float]:
    """(largest resident set in MiB, seconds) of one export."""
    began = time.perf_counter()
    target = home / f"{kind}.csv"
    arguments = ["broker", "export", kind, str(target), "--home", str(home)]
    with subprocess.Popen(
        [sys.executable, "-m", "veilmart", *arguments], stdout=subprocess.DEVNULL
    ) as program:
        largest = 0
        while program.poll() is None:
            largest = max(largest, _largest_kib(program.pid))
            time.sleep(0.02)
    assert program.returncode == 0
    target.unlink()
    return largest / 1024, time.perf_counter() - began


def _largest_kib(process: int) -> int:
    """Of its resident sets so far; 0 when it has ended. (getrusage also counts its parent's.)"""
    status = Path(f"/proc/{process}/status").read_text()
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) if found else 0


def rows() -> list[Row]:
    count = int(os.environ.get("ROWS", ROWS))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "broker"
        initialise(home, os.urandom).close()
        fill(home, count)
        itself, _seconds = measure(home, "folds")
        found = []
        for kind in GROWING:
            mib, seconds = measure(home, kind)
            found.append(
                {
                    "name": f"memory of the export {kind}, {count} rows, beyond the program's own",
                    "figure": round(mib - itself, 1),
                    "unit": "MiB",
                    "reach": 32,
                    "at_most": True,
                    "mib": round(mib, 1),
                    "seconds": round(seconds, 1),
                }
            )
            print(found[-1], flush=True)
        return found
