"""Answers that leave at fixed times, so that their timing does not reveal how they were made.

Work that depends on a secret (which product, whether it was in a cache) takes a few milliseconds
more or less. An answer is therefore held until the next slot after the request came: 1, 2, 3, ...
times SLOT_SECONDS. Work that takes longer than a slot shows as one slot more.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from veilmart.limits import ANSWER_SLOT_SECONDS


@asynccontextmanager
async def held_to_slot(slot_seconds: float = ANSWER_SLOT_SECONDS) -> AsyncIterator[None]:
    """The block ends at a slot counted from its beginning, also when it raises."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        yield
    finally:
        passed = loop.time() - began
        slots = int(passed / slot_seconds) + 1
        await asyncio.sleep(slots * slot_seconds - passed)
