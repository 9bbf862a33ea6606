"""What can happen to a message on its way, applied to the n-th exchange of a link.

The same faults are put on all three links. On the two HTTP links the proxy applies them; on the
tunnel between customer and merchant it is the broker that does, who carries it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from tests.support.tampering_proxy import Forward, HttpMessage
from veilmart.broker.relay.links import LinkPool
from veilmart.limits import BODY_MAX_BYTES
from veilmart.protocol.link_messages import (
    FetchSegment,
    MerchantRequest,
    TunnelOpen,
    TunnelOpened,
    TunnelRelay,
    TunnelRelayed,
)

FAULTS = ("replayed", "reordered", "truncated", "oversized", "bit-flipped")
DIRECTIONS = ("request", "answer")

M = TypeVar("M")
Ask = Callable[[M], Awaitable[M]]


class Payload(Protocol[M]):
    """How a fault reads and changes the bytes of a message."""

    def read(self, message: M) -> bytes: ...
    def write(self, message: M, data: bytes) -> M: ...


def damaged(fault: str, data: bytes, position: int) -> bytes:
    """`data` cut, lengthened past every limit, or with one bit changed."""
    if fault == "truncated":
        return data[: len(data) // 2] if position % 2 else data[:-1]
    if fault == "oversized":
        return data.ljust(BODY_MAX_BYTES + 1, b"\0")
    spot = len(data) * (position % 7) // 7
    return data[:spot] + bytes([data[spot] ^ (1 << position % 8)]) + data[spot + 1 :]


@dataclass
class Tampering(Generic[M]):
    """Puts `fault` on the exchange number `at` (from 0). done: whether it came to that."""

    fault: str
    direction: str
    at: int
    payload: Payload[M]
    seen: int = 0
    done: bool = False
    earlier: list[tuple[M, M]] = field(default_factory=list)

    async def exchange(self, request: M, ask: Ask[M]) -> M:
        number, self.seen = self.seen, self.seen + 1
        if number != self.at:
            answer = await ask(request)
            self.earlier.append((request, answer))
            return answer
        self.done = True
        answer = await self._tamper(request, ask)
        self.earlier.append((request, answer))
        return answer

    async def _tamper(self, request: M, ask: Ask[M]) -> M:
        match self.fault, self.direction:
            case "replayed", "request":
                await ask(request)
                return await ask(request)
            case "replayed", _:
                # An answer that was good once: to the same kind of request if there was one.
                answer = await ask(request)
                alike = [
                    old for _, old in self.earlier if self._length(old) == self._length(answer)
                ]
                older = [old for _, old in self.earlier]
                return (alike or older or [answer])[-1]
            case "reordered", "request":
                # The one before comes once more, ahead of this one, and is answered first.
                if not self.earlier:
                    return await ask(request)
                first = await ask(self.earlier[-1][0])
                await ask(request)
                return first
            case "reordered", _:
                answer = await ask(request)
                return self.earlier[-1][1] if self.earlier else answer
            case _, "request":
                if not self.payload.read(request):
                    return await ask(request)
                return await ask(self._damage(request))
            case _:
                return self._damage(await ask(request))

    def _damage(self, message: M) -> M:
        data = self.payload.read(message)
        return self.payload.write(message, damaged(self.fault, data, self.at)) if data else message

    def _length(self, message: M) -> int:
        return len(self.payload.read(message))


class HttpBody:
    """The body of an HTTP message."""

    def read(self, message: HttpMessage) -> bytes:
        return message.body

    def write(self, message: HttpMessage, data: bytes) -> HttpMessage:
        return message.with_body(data)


class HttpTampering(Tampering[HttpMessage]):
    """A handler for `TamperingProxy`."""

    def __init__(self, fault: str, direction: str, at: int) -> None:
        super().__init__(fault, direction, at, HttpBody())

    async def __call__(self, request: HttpMessage, forward: Forward) -> HttpMessage:
        return await self.exchange(request, forward)


class TunnelBytes:
    """What customer and merchant say to each other in the broker's messages; b"" for others."""

    def read(self, message: Any) -> bytes:
        if isinstance(message, tuple):
            answer, attachment = message
            return attachment or self.read(answer)
        if isinstance(message, TunnelOpen | TunnelOpened):
            return message.message
        return message.record if isinstance(message, TunnelRelay | TunnelRelayed) else b""

    def write(self, message: Any, data: bytes) -> Any:
        if isinstance(message, tuple):
            answer, attachment = message
            return (answer, data) if attachment else (self.write(answer, data), attachment)
        changed = {"message": data} if isinstance(message, TunnelOpen | TunnelOpened) else {}
        values = {name: getattr(message, name) for name in message.__struct_fields__}
        return type(message)(**(values | (changed or {"record": data})))


class TunnelTampering(Tampering[Any]):
    """A broker that tampers with what it carries. Put `ask` in the place of `LinkPool.ask`."""

    def __init__(self, fault: str, direction: str, at: int) -> None:
        super().__init__(fault, direction, at, TunnelBytes())

    def installed(self) -> Callable[..., Awaitable[tuple[Any, bytes]]]:
        honest = LinkPool.ask

        async def ask(
            pool: LinkPool, merchant: bytes, message: MerchantRequest, kind: type[Any]
        ) -> tuple[Any, bytes]:
            if not isinstance(message, TunnelOpen | TunnelRelay | FetchSegment):
                return await honest(pool, merchant, message, kind)  # type: ignore[return-value]

            async def onward(changed: MerchantRequest) -> tuple[Any, bytes]:
                return await honest(pool, merchant, changed, kind)  # type: ignore[return-value]

            answer: tuple[Any, bytes] = await self.exchange(message, onward)
            return answer

        return ask
