"""Fair turns for expensive work that strangers can request.

Each request is queued under an owner, usually the address it came from. The owners take turns, so
ten thousand requests of one owner delay only that owner. When too many wait, the longest queue
loses its last request. A new request is refused as busy only if its own owner has the longest
queue.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import ParamSpec, TypeVar

from veilmart.errors import ServerBusy
from veilmart.limits import HANDSHAKES_WAITING_MAX

P = ParamSpec("P")
T = TypeVar("T")
_Waiting = asyncio.Future[None]
_NETWORK_BITS = 64


def owner_of(host: str | None) -> str:
    """The owner that an address stands for: itself, in IPv6 its network of 64 bits."""
    if host is None or ":" not in host:
        return host or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> _NETWORK_BITS:x}"


class FairTurns:
    """`at_once` turns at a time. One for each event loop; not shared between threads.

    Every `take` that returned needs one `give_back`.
    """

    def __init__(self, at_once: int, waiting_max: int) -> None:
        self._free = at_once
        self._waiting_max = waiting_max
        self._waiting = 0
        self._queues: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    async def take(self, owner: str) -> None:
        """Wait for a turn. Raises ServerBusy when too many wait and most of them for `owner`."""
        if self._free:
            self._free -= 1
            return
        if self._waiting >= self._waiting_max:
            self._refuse_one(owner)
        waiting: _Waiting = asyncio.get_running_loop().create_future()
        self._queues.setdefault(owner, deque()).append(waiting)
        self._waiting += 1
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.cancelled():
                self._forget(owner, waiting)
            else:
                self.give_back()  # the turn had come just then
            raise

    def give_back(self) -> None:
        """Give the turn to the next owner's first request."""
        while self._queues:
            owner, queue = self._queues.popitem(last=False)
            waiting = queue.popleft()
            self._waiting -= 1
            if queue:
                self._queues[owner] = queue  # behind all other owners
            if not waiting.done():
                waiting.set_result(None)
                return
        self._free += 1

    def _refuse_one(self, owner: str) -> None:
        longest = max(self._queues, key=lambda name: len(self._queues[name]))
        if len(self._queues.get(owner, ())) >= len(self._queues[longest]):
            raise ServerBusy
        last = self._queues[longest].pop()
        self._waiting -= 1
        if not self._queues[longest]:
            del self._queues[longest]
        if not last.done():
            last.set_exception(ServerBusy())

    def _forget(self, owner: str, waiting: _Waiting) -> None:
        queue = self._queues.get(owner)
        if queue is None or waiting not in queue:
            return
        queue.remove(waiting)
        self._waiting -= 1
        if not queue:
            del self._queues[owner]


CHEAP_SECONDS = 0.002
"""Work that is done within this time opens the turnstile again at once."""


class Turnstile:
    """One expensive call at a time, and half of the loop's time at most.

    A handshake over ffdhe3072 costs some milliseconds. After each the turnstile stays shut for as
    long as the work took. One for each event loop; not shared between threads.
    """

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


class InThreads:
    """Slow work in threads, a bounded number at once. One for each kind of work and event loop."""

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
