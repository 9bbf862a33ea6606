"""Wait for what a test needs. Only a test that fails ever reaches the limit."""

import asyncio
import time
from collections.abc import Callable

WAIT_SECONDS = 120
LOOK_EVERY_SECONDS = 0.01


async def until(met: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not met():
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def wait_until(met: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """For tests without a loop. Raises TimeoutError."""
    ends = time.monotonic() + seconds
    while not met():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(LOOK_EVERY_SECONDS)
