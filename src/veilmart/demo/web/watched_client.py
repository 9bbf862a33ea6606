"""The customer's connection, with somebody who watches it, and stops or changes what goes by.

It stands where the broker or a stranger on the way stands: it sees bytes, their number and their
time. What it shows is all that is there to be seen.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from veilmart.errors import NetworkFailure
from veilmart.transport.client import HttpClient
from veilmart.transport.port import Client

SEEN_KEPT = 14
SHOWN_BYTES = 12


@dataclass(frozen=True)
class Seen:
    """One exchange as it looks from outside. sent, received: bytes. start: first bytes sent."""

    number: int
    path: str
    sent: int
    received: int
    start: str
    note: str


Send = Callable[[str, bytes | None], Awaitable[bytes]]
"""(path, body or None for GET) → the broker's answer."""


class Attack(Protocol):
    """Changes what goes by.

    For people: title; hole, what the original design did; why it fails here; look, where it shows.
    """

    name: str
    title: str
    hole: str
    why: str
    look: str

    async def exchange(self, send: Send, path: str, body: bytes | None) -> tuple[bytes, str]:
        """The answer that the customer gets, and what was done, or an empty note."""
        ...


class Gate:
    """With `step`, every exchange waits until the person goes on."""

    def __init__(self, *, step: bool) -> None:
        self.step = step
        self.waiting = 0
        self._passes = asyncio.Semaphore(0)

    async def wait(self) -> None:
        if not self.step:
            return
        self.waiting += 1
        try:
            await self._passes.acquire()
        finally:
            self.waiting -= 1

    def go_on(self) -> None:
        """One exchange goes by; a press while nothing waits is not kept."""
        if self.waiting:
            self._passes.release()


class Watch:
    """What was seen on all connections of the customer."""

    def __init__(self, gate: Gate, attack: Attack | None) -> None:
        self.gate, self.attack = gate, attack
        self.seen: deque[Seen] = deque(maxlen=SEEN_KEPT)
        self.count = 0

    def open(self, address: str, unreachable: type[NetworkFailure]) -> Client:
        """An `OpenClient`."""
        return WatchedClient(HttpClient(address, unreachable), self)

    def note(self, path: str, body: bytes | None, answer: bytes, note: str) -> None:
        self.count += 1
        sent = body or b""
        start = sent[:SHOWN_BYTES].hex(" ")
        self.seen.append(Seen(self.count, path, len(sent), len(answer), start, note))


class WatchedClient:
    """A client of one broker, watched."""

    def __init__(self, inner: HttpClient, watch: Watch) -> None:
        self._inner, self._watch = inner, watch
        self._most = 0

    @property
    def exchanges(self) -> int:
        return self._inner.exchanges

    @exchanges.setter
    def exchanges(self, value: int) -> None:
        self._inner.exchanges = value

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        return await self._exchange(url_path, body, max_bytes)

    async def get(self, url_path: str, *, max_bytes: int) -> bytes:
        return await self._exchange(url_path, None, max_bytes)

    async def rest(self) -> None:
        await self._inner.rest()

    async def _exchange(self, path: str, body: bytes | None, max_bytes: int) -> bytes:
        async def send(to: str, content: bytes | None) -> bytes:
            if content is None:
                return await self._inner.get(to, max_bytes=max_bytes)
            return await self._inner.post(to, content, max_bytes=max_bytes)

        watch = self._watch
        await watch.gate.wait()
        if watch.attack is None:
            answer, note = await send(path, body), ""
        else:
            answer, note = await watch.attack.exchange(send, path, body)
        watch.note(path, body, answer, note)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
