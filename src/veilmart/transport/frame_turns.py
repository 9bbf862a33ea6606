"""Choosing whose frame is started next when more have arrived than one round of the loop takes.

Owners take turns as in fair_work.py, frame by frame, so ten thousand streams of one owner delay
only that owner. A frame that is being answered holds no turn, so one that waits for another party
delays nobody.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

PER_ROUND = 32


class FrameTurns:
    """One for each event loop; not shared between threads."""

    def __init__(self, per_round: int = PER_ROUND) -> None:
        self._per_round = per_round
        self._started = 0
        self._queues: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()
        self._round: asyncio.Handle | None = None

    def take(self, owner: str, start: Callable[[], None]) -> None:
        """Call `start` now, or when the owner's turn has come."""
        if not self._queues and self._started < self._per_round:
            self._started += 1
            self._next_round()
            start()
            return
        self._queues.setdefault(owner, deque()).append(start)
        self._next_round()

    def _next_round(self) -> None:
        if self._round is None:
            self._round = asyncio.get_running_loop().call_soon(self._play)

    def _play(self) -> None:
        self._round, self._started = None, 0
        while self._queues and self._started < self._per_round:
            owner, queue = self._queues.popitem(last=False)
            start = queue.popleft()
            if queue:
                self._queues[owner] = queue  # behind all other owners
            self._started += 1
            start()
        if self._queues:
            self._next_round()
