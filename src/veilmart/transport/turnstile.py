"""A turnstile for work that strangers can ask for and that is dear: half of the time at most.

A handshake over ffdhe3072 costs some milliseconds, whoever asks and however often. One at a time
passes, and after each the turnstile stays shut for as long as the work took, so that everything
else goes on. Whose turn it is, and who is told that the server is busy: see fair_turns.py.
"""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from veilmart.limits import HANDSHAKES_WAITING_MAX
from veilmart.transport.fair_turns import FairTurns

P = ParamSpec("P")
T = TypeVar("T")

CHEAP_SECONDS = 0.002
"""Work that is done within this time opens the turnstile again at once."""


class Turnstile:
    """One for each event loop; not shared between threads."""

    def __init__(self, waiting_max: int = HANDSHAKES_WAITING_MAX) -> None:
        self._turns = FairTurns(1, waiting_max)

    async def run(self, owner: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`, which blocks. Raises ServerBusy when too many are waiting.

        owner: who asks, as in `FairTurns`.
        """
        await self._turns.take(owner)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return work(*args, **kwargs)
        finally:
            spent = loop.time() - began
            if spent > CHEAP_SECONDS:
                loop.call_later(spent, self._turns.give_back)
            else:
                self._turns.give_back()
