"""Slow work off the event loop: a bounded number at once, and of those who wait for their turn."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from veilmart.transport.fair_turns import FairTurns

P = ParamSpec("P")
T = TypeVar("T")


class InThreads:
    """One for each kind of work and event loop."""

    def __init__(self, at_once: int, waiting_max: int) -> None:
        self._turns = FairTurns(at_once, waiting_max)

    async def run(self, owner: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work` from a thread, in the turn of `owner` (see `FairTurns`).

        Raises ServerBusy when too many are waiting.
        """
        await self._turns.take(owner)
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._turns.give_back()
