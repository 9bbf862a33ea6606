"""Importing 50,000 files into a shop that sells meanwhile: processor time a file, buyers' p99.

One customer buys without a pause, before the import and during it, until the new catalogue is out.
The import is given up after `LONGEST_SECONDS`.
"""

import asyncio
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.driver import buy_one, open_shopper
from bench.purchases import CREDIT, market, process_cpu_seconds
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper
from veilmart.demo.processes import command_line, environment, run_command
from veilmart.protocol.address import parse_link

PRODUCTS = int(os.environ.get("VEILMART_BENCH_PRODUCTS", "50000"))
FILE_BYTES = 700
CPU_MS_A_FILE = 3.0
P99_TIMES = 3.0
BEFORE_SECONDS = 15.0
LONGEST_SECONDS = 800.0


def write_files(folder: Path) -> None:
    folder.mkdir()
    for number in range(PRODUCTS):
        (folder / f"file-{number:06}.txt").write_bytes(os.urandom(FILE_BYTES - number % 500))


async def buy_while(shopper: Shopper, menu: Menu, out: Path, stop: asyncio.Event) -> list[float]:
    """Seconds of each purchase until told to stop."""
    took: list[float] = []
    while not stop.is_set():
        began = time.perf_counter()
        await buy_one(shopper, menu, out, len(took))
        took.append(time.perf_counter() - began)
    return took


async def import_beside(folder: Path, merchant_home: Path) -> tuple[float, float]:
    """Processor seconds and seconds of `merchant import`."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command_line("merchant", "import", str(folder), "--home", str(merchant_home)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=sys.stderr,
        env=environment(),
    )
    cpu = 0.0
    async with asyncio.timeout(LONGEST_SECONDS):
        ended = asyncio.create_task(process.wait())
        while not ended.done():
            cpu = max(cpu, process_cpu_seconds(process.pid))
            await asyncio.wait({ended}, timeout=0.2)
    assert process.returncode == 0
    return cpu, time.perf_counter() - began


def p99_ms(took: list[float]) -> float:
    return round(quantiles(took, n=100)[98] * 1000, 1)


async def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await asyncio.to_thread(write_files, folder / "files")
        async with AsyncExitStack() as stack:
            _, merchant, link = await market(folder, stack)
            (folder / "out").mkdir()
            _, shopper = await open_shopper(folder / "buyer", link)
            await run_command("broker", "credit", "buyer", CREDIT, "--home", str(folder / "broker"))
            pinned = parse_link(link).merchant
            assert pinned is not None
            menu = await shopper.browse(pinned)
            alone = asyncio.Event()
            asyncio.get_running_loop().call_later(BEFORE_SECONDS, alone.set)
            before = await buy_while(shopper, menu, folder / "out", alone)
            beside = asyncio.Event()
            buying = asyncio.create_task(buy_while(shopper, menu, folder / "out", beside))
            server_before = process_cpu_seconds(merchant.pid)
            cpu, seconds = await import_beside(folder / "files", folder / "merchant")
            await asyncio.sleep(5)  # the server reads the shop again meanwhile
            beside.set()
            during = await buying
            server = process_cpu_seconds(merchant.pid) - server_before
    return {
        "products": PRODUCTS,
        "cpu_ms_a_file": round(cpu / PRODUCTS * 1000, 2),
        "seconds": round(seconds, 1),
        "purchases": len(during),
        "p99_ms_before": p99_ms(before),
        "p99_ms": p99_ms(during),
        "longest_ms": round(max(during) * 1000, 1),
        "server_cpu_seconds": round(server, 1),
    }


def rows() -> list[dict[str, Any]]:
    found = asyncio.run(measure())
    return [
        {
            "name": f"import of {PRODUCTS:,} files: processor time a file, reading and all",
            "figure": found["cpu_ms_a_file"],
            "unit": "ms",
            "reach": CPU_MS_A_FILE,
            "at_most": True,
            **found,
        },
        {
            "name": "purchases beside it: their 99th percentile, in times of that before it",
            "ratio": round(found["p99_ms"] / found["p99_ms_before"], 2),
            "reach": P99_TIMES,
            "at_most": True,
        },
    ]
