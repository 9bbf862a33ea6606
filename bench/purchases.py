"""Complete account purchases through real processes: throughput, and the time of a single one."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from veilmart.demo.processes import Server, environment, run_command

PRODUCTS = 12
PRODUCT_BYTES = 10 * 1024 - 400
CREDIT = "100000"


def process_cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Driver:
    """A child process that runs `bench.driver` or another module like it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls,
        link: str,
        folder: Path,
        seconds: float,
        names: list[str],
        module: str = "bench.driver",
    ) -> "Driver":
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                link,
                str(folder),
                str(seconds),
                *names,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment(),
                limit=1 << 24,
            )
        )

    async def line(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()

    async def result(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(await self.line())
        await self._process.wait()
        return found


async def market(
    folder: Path, stack: AsyncExitStack, prepare: Callable[[Path], None] | None = None
) -> tuple[Server, Server, str]:
    """Broker and merchant with twelve products of 10 KiB; returns both and the link.

    prepare: what is done to the broker's home before it runs.
    """
    goods = folder / "goods"
    goods.mkdir()
    for number in range(PRODUCTS):
        (goods / f"product-{number:02}.bin").write_bytes(os.urandom(PRODUCT_BYTES))
    broker_home, merchant_home = str(folder / "broker"), str(folder / "merchant")
    await run_command("broker", "init", "--home", broker_home)
    if prepare is not None:
        prepare(folder / "broker")
    broker = await stack.enter_async_context(
        Server("broker", "run", "--home", broker_home, "--port", "0")
    )
    await run_command("merchant", "init", "--broker", broker.url, "--yes", "--home", merchant_home)
    await run_command("merchant", "add", str(goods), "--price", "1.00", "--home", merchant_home)
    merchant = await stack.enter_async_context(
        Server("merchant", "run", "--home", merchant_home, "--port", "0")
    )
    await run_command("broker", "merchant", "admit", merchant.url, "--yes", "--home", broker_home)
    await merchant.wait_for_line("authenticated")
    link = (await run_command("merchant", "link", "--home", merchant_home)).split()[0]
    return broker, merchant, link


async def measure(
    customers: int,
    processes: int,
    seconds: float,
    module: str = "bench.driver",
    prepare: Callable[[Path], None] | None = None,
) -> dict[str, Any]:
    """Purchases per second of `customers` wallets in `processes` drivers, which run `module`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            broker, merchant, link = await market(folder, stack, prepare)
            names = [f"customer{number}" for number in range(customers)]
            drivers = [
                await Driver.start(link, folder, seconds, names[number::processes], module)
                for number in range(processes)
            ]
            for driver in drivers:
                await driver.line()
            for customer in names:
                await run_command(
                    "broker", "credit", customer, CREDIT, "--home", str(folder / "broker")
                )
            for driver in drivers:
                await driver.go()
            for driver in drivers:
                await driver.line()
            before = [process_cpu_seconds(server.pid) for server in (broker, merchant)]
            began = time.perf_counter()
            for driver in drivers:
                await driver.go()
            results = [await driver.result() for driver in drivers]
            elapsed = time.perf_counter() - began
            after = [process_cpu_seconds(server.pid) for server in (broker, merchant)]
    bought = sum(result["purchases"] for result in results)
    durations = sorted(took for result in results for took in result["durations"])
    return {
        "customers": customers,
        "purchases": bought,
        "per_second": round(bought / max(result["seconds"] for result in results), 1),
        "median_ms": round(median(durations) * 1000, 1),
        "elapsed_seconds": round(elapsed, 1),
        "cpu_ms_per_purchase": {
            "broker": round((after[0] - before[0]) / bought * 1000, 2),
            "merchant": round((after[1] - before[1]) / bought * 1000, 2),
            "customers": round(sum(r["cpu_seconds"] for r in results) / bought * 1000, 2),
        },
    }
