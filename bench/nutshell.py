"""Our anonymous purchase beside nutshell's whole cycle (mint, swap, melt), in turns, on one core.

`python -m bench.nutshell PYTHON [ROUNDS [SECONDS]]`, where PYTHON is the interpreter of an
environment of its own with PyPI's `cashu` 0.20 (`python -m venv DIR`, `DIR/bin/pip install
'cashu==0.20.*'`). `make bench` takes it from $NUTSHELL_PYTHON and leaves the row out without it.
Its mint has SQLite and its own FakeWallet, which pays at once; all processes of either side share
the same one core.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from bench import purchases

VARIABLE = "NUTSHELL_PYTHON"
ROUNDS = 5
SECONDS = 8.0
CUSTOMERS = 4
REACH = 5.0
START_SECONDS = 90
MINT = {
    "MINT_BACKEND_BOLT11_SAT": "FakeWallet",
    "MINT_PRIVATE_KEY": "bench",
    "MINT_INPUT_FEE_PPK": "0",
    "MINT_RATE_LIMIT": "FALSE",
    "MINT_QUOTE_BACKEND_CHECK_RATE_LIMIT": "0",
    "FAKEWALLET_BRR": "TRUE",
    "FAKEWALLET_DELAY_OUTGOING_PAYMENT": "0",
    "FAKEWALLET_DELAY_INCOMING_PAYMENT": "0",
    "FAKEWALLET_BALANCE_SAT": "1000000000",
    "DEBUG": "FALSE",
    "LOG_LEVEL": "ERROR",
    "TOR": "FALSE",
}


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@asynccontextmanager
async def running_mint(python: str, folder: Path) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Its URL, and the environment that its wallets need."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **MINT,
        "CASHU_DIR": str(folder),
        "MINT_DATABASE": str(folder / "mint"),
        "MINT_LISTEN_PORT": str(port),
        "HOME": str(folder),
    }
    with (folder / "mint.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(python, "-m", "cashu.mint", "--port", str(port), "--host", "127.0.0.1"),
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _listens(port):
                assert process.returncode is None, (folder / "mint.log").read_text()[-2000:]
                await asyncio.sleep(0.2)
        yield f"http://127.0.0.1:{port}", environment
    finally:
        if process.returncode is None:
            process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _listens(port: int) -> bool:
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def cycles_per_second(python: str, seconds: float) -> float:
    """Of CUSTOMERS wallets in one process, at a mint of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with running_mint(python, folder) as (url, environment):
            driver = Path(__file__).with_name("nutshell_driver.py")
            words = (url, str(folder), str(CUSTOMERS), str(seconds))
            process = await asyncio.create_subprocess_exec(
                *(python, str(driver), *words),
                env=environment,
                cwd=folder,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            said, faults = await process.communicate()
            assert process.returncode == 0, faults.decode(errors="replace")[-2000:]
    found = json.loads(said.splitlines()[-1])
    return float(found["cycles"]) / float(found["seconds"])


async def purchases_per_second(seconds: float) -> float:
    found = await purchases.measure(CUSTOMERS, 1, seconds, "bench.anonymous_driver")
    return float(found["per_second"])


async def measure(python: str, rounds: int, seconds: float) -> dict[str, Any]:
    ours, theirs = [], []
    for number in range(rounds):
        if number % 2:
            ours.append(await purchases_per_second(seconds))
            theirs.append(await cycles_per_second(python, seconds))
        else:
            theirs.append(await cycles_per_second(python, seconds))
            ours.append(await purchases_per_second(seconds))
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    return {
        "ratio": round(median(ratios), 2),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "ours_per_second": round(median(ours), 1),
        "theirs_per_second": round(median(theirs), 1),
    }


def rows(
    python: str | None = None, rounds: int = ROUNDS, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """One row: whole purchases for each cycle; none where nutshell is not installed."""
    python = python or os.environ.get(VARIABLE)
    if not python:
        print(f"${VARIABLE} names no interpreter with nutshell: not measured.")
        return []
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})  # the processes that are started inherit it
    try:
        found = asyncio.run(measure(python, rounds, seconds))
    finally:
        os.sched_setaffinity(0, allowed)
    name = "anonymous purchases for each cycle of nutshell, one core"
    return [{"name": name, "reach": REACH, **found}]


if __name__ == "__main__":
    kinds = (str, int, float)
    for row in rows(*(kind(word) for kind, word in zip(kinds, sys.argv[1:], strict=False))):
        print(row)
