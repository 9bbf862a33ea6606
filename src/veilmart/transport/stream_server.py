"""The server's end of streams: what uvicorn hands a connection to that asks for one.

The opening request came through the HTTP protocol, with its bounds; from then on this one has the
connection. Streams are counted and cut as connections are (crowding.py).
"""

import asyncio
from collections.abc import Collection
from typing import Any, ClassVar, Protocol, TypeVar

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from veilmart.limits import (
    STREAM_AT_ONCE,
    STREAM_IDLE_SECONDS,
    STREAMS_HELD_BYTES,
    STREAMS_MAX,
)
from veilmart.protocol.stream_frames import QUESTION_MAX_BYTES, STREAM_PATH
from veilmart.transport.crowding import to_cut
from veilmart.transport.fair_work import owner_of
from veilmart.transport.frame_exchange import GOING_AWAY, AnswerFrame, FrameExchange
from veilmart.transport.frame_turns import FrameTurns
from veilmart.transport.websocket_pipe import WebSocketPipe, quiet

_CUT_AT_ONCE = 64
_SWITCHING = 101


class StreamServer(WebSocketPipe):
    """One stream of a peer that connected to us. Each server has a subclass with its own lists."""

    answer: ClassVar[AnswerFrame]
    turns: ClassVar[FrameTurns]
    streams: ClassVar[set["StreamServer"]]
    streams_max: ClassVar[int] = STREAMS_MAX
    idle: ClassVar[float] = STREAM_IDLE_SECONDS

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        websocket = ServerProtocol(max_size=QUESTION_MAX_BYTES, logger=quiet)
        super().__init__(websocket, masked=True, idle_seconds=self.idle)
        self._owner = ""
        self._opening = websocket
        self._connections = server_state.connections
        self._stopping = False

    @property
    def owner(self) -> str:
        """Whom this stream counts against, as in `FairTurns`."""
        return self._owner

    @property
    def waiting_since(self) -> float | None:
        """As crowding.py asks: None while an answer of ours is being made, and for a link."""
        if self._trusted or (self._exchange is not None and self._exchange.answering):
            return None
        return self._last_at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.add(self)  # type: ignore[arg-type]
        peer = transport.get_extra_info("peername")
        self._owner = owner_of(peer[0] if isinstance(peer, tuple) else None)
        self.streams.add(self)
        if len(self.streams) > self.streams_max:
            count = min(_CUT_AT_ONCE, max(1, self.streams_max // 4))
            for stream in to_cut(self.streams, count) or [self]:
                stream.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.streams.discard(self)
        self._connections.discard(self)

    def cut(self) -> None:
        self.streams.discard(self)
        super().cut()

    def opening(self, event: Request | Response) -> None:
        """Accept, without a header that names the software or the time; offers are not taken."""
        if not isinstance(event, Request) or event.path != STREAM_PATH:
            self.cut()
            return
        response = self._opening.accept(event)
        del response.headers["Date"]
        self._opening.send_response(response)
        if response.status_code != _SWITCHING:
            self._flush()
            self._end()
            return
        answer = type(self).answer
        self._exchange = FrameExchange(self, answer, self.owner, self.turns, STREAM_AT_ONCE)

    def send(self, frame: bytes) -> None:
        super().send(frame)
        if self._stopping and self._exchange is not None and not self._exchange.answering:
            self._exchange.end(GOING_AWAY, "The server stops.")

    def shutdown(self) -> None:
        """uvicorn's call when it stops: answer what was asked, then end."""
        self._stopping = True
        self.pause_reading()
        if self._exchange is None:
            self.cut()
        elif not self._exchange.answering:
            self._exchange.end(GOING_AWAY, "The server stops.")


class Holding(Protocol):
    """owner: who is at the other end. held_bytes: what this one makes us keep."""

    @property
    def owner(self) -> str: ...
    @property
    def held_bytes(self) -> int: ...


Held = TypeVar("Held", bound=Holding)


def heaviest(streams: Collection[Held], held_max_bytes: int = STREAMS_HELD_BYTES) -> list[Held]:
    """Streams to cut so that all together keep at most `held_max_bytes`.

    They go from the owner that holds most, its heaviest first.
    """
    weights = [(stream.held_bytes, place, stream) for place, stream in enumerate(streams)]
    total = sum(weight for weight, _, _ in weights)
    owners: dict[str, list[tuple[int, int, Held]]] = {}
    for held in sorted(weights, key=lambda held: held[:2]):
        owners.setdefault(held[2].owner, []).append(held)
    cut: list[Held] = []
    while total > held_max_bytes:
        most = max(owners.values(), key=lambda own: sum(weight for weight, _, _ in own))
        weight, _, stream = most.pop()
        total -= weight
        cut.append(stream)
    return cut
