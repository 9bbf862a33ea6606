"""What every driver process does: wait for its lines, measure its buyers, print one JSON object."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import uvloop

from veilmart.terminal.memory import keep_freed_memory, serve_from_here

Result = dict[str, object]
Drive = Callable[[str, Path, list[str], float], Awaitable[Result]]
Buy = Callable[[int], Awaitable[None]]
"""One purchase; the argument counts from 0."""


async def say_and_wait(word: str) -> None:
    """Print `word`, then wait for a line on standard input."""
    print(word, flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def measure(
    buyers: Sequence[Buy], seconds: float, settle: Callable[[], Awaitable[None]] | None = None
) -> Result:
    """Every buyer purchases again and again for `seconds`, at the same time as the others.

    settle: waits for what the purchases left to the background; measured with them.
    """
    serve_from_here()
    await say_and_wait("warm")
    took: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(_buy_until(buy, began + seconds, took) for buy in buyers))
    if settle is not None:
        await settle()
    return {
        "purchases": len(took),
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "durations": sorted(took),
    }


async def _buy_until(buy: Buy, ends_at: float, took: list[float]) -> None:
    turn = 0
    while time.perf_counter() < ends_at:
        began = time.perf_counter()
        await buy(turn)
        took.append(time.perf_counter() - began)
        turn += 1


def run(drive: Drive) -> None:
    """Arguments of the process: link, folder, seconds, a name for each wallet."""
    keep_freed_memory()
    link, folder, seconds, *names = sys.argv[1:]

    async def driven() -> Result:
        return await drive(link, Path(folder), names, float(seconds))

    print(msgspec.json.encode(uvloop.run(driven())).decode(), flush=True)
