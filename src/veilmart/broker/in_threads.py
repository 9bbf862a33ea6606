"""Slow work off the event loop: a bounded number at once, a bounded number waiting."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from veilmart.errors import ServerBusy

P = ParamSpec("P")
T = TypeVar("T")


class InThreads:
    """One for each kind of work and event loop."""

    def __init__(self, at_once: int, waiting_max: int) -> None:
        self._turn = asyncio.Semaphore(at_once)
        self._waiting_max = waiting_max
        self._waiting = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work` from a thread. Raises ServerBusy when too many are waiting."""
        if self._waiting >= self._waiting_max:
            raise ServerBusy
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._waiting -= 1
