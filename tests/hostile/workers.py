"""Many attackers at once, each again whenever its connection ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.hostile.raw import Counts
from veilmart.protocol.address import Link

ENDED = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
Worker = Callable[[Link, Counts, float], Awaitable[None]]


async def many(worker: Worker, count: int, link: Link, counts: Counts, seconds: float) -> None:
    """`count` workers at once, each again whenever its connection ends, until the time is over."""
    ends = time.monotonic() + seconds

    async def again() -> None:
        while time.monotonic() < ends:
            try:
                async with asyncio.timeout(ends - time.monotonic()):
                    await worker(link, counts, ends)
            except ENDED:
                counts["cut"] += 1
                await asyncio.sleep(0.05)
            except TimeoutError:
                return

    await asyncio.gather(*(again() for _ in range(count)))
