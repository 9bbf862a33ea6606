"""One WebSocket (RFC 6455) as a pipe for whole frames; the same at both ends.

Binary messages only, no extensions, each at most as long as the protocol's longest frame. What is
bounded here, and by what:
- a message that has begun to come, or an answer that the peer does not take: REQUEST_SECONDS;
- pings: STREAM_PINGS_MAX in each minute;
- a stream on which nothing is under way: its end's idle time.
Deadlines are numbers, which somebody looks at from time to time (`overdue`).
"""

import asyncio
import logging
from typing import cast

from websockets.frames import Frame as WebSocketFrame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, State

from veilmart.limits import LINK_SILENT_SECONDS, REQUEST_SECONDS, STREAM_PINGS_MAX
from veilmart.protocol.stream_frames import FRAME_MAX_BYTES
from veilmart.transport.frame_exchange import FrameExchange

UNSUPPORTED = 1003
POLICY_VIOLATION = 1008
PING_SECONDS = 60.0
WRITE_HIGH_BYTES = 256 * 1024
_REASON_CHARACTERS = 100

quiet = logging.getLogger("veilmart.transport.websocket")
"""For the library, which otherwise logs every connection."""
quiet.setLevel(logging.CRITICAL)


class WebSocketPipe(asyncio.Protocol):
    """One end. Subclasses open it and make its exchange. idle_seconds: 0 for no limit."""

    def __init__(self, websocket: Protocol, *, masked: bool, idle_seconds: float) -> None:
        self.full = False
        self._trusted = False
        self.idle_seconds = idle_seconds
        self._websocket = websocket
        self._masked = masked
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._exchange: FrameExchange | None = None
        self._parts: list[bytes | bytearray] = []
        self._unparsed_bytes = 0
        self._last_at = self.last_pong_at = self._loop.time()
        self._begun_at: float | None = None
        self._stalled_at: float | None = None
        self._closed_at: float | None = None
        self._pings = 0
        self._pings_since = 0.0

    # ---- for the exchange ------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        if self._websocket.state is State.OPEN:
            self._last_at = self._loop.time()
            self._websocket.send_binary(frame)
            self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Say why, send what is buffered, end the connection."""
        if self._websocket.state is State.OPEN:
            self._websocket.fail(code, reason[:_REASON_CHARACTERS])
            self._flush()
        self._end()

    def trust(self) -> None:
        """The peer has shown who it is: it may be idle, as long as it is heard of."""
        self._trusted, self.idle_seconds = True, LINK_SILENT_SECONDS
        self._websocket.max_message_size = FRAME_MAX_BYTES

    def pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # ---- for who looks at deadlines ------------------------------------------------------------

    @property
    def held_bytes(self) -> int:
        """What this stream makes us keep: parts of messages, questions, answers not taken."""
        queued = 0 if self._exchange is None else self._exchange.queued_bytes
        sent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self._unparsed_bytes + sum(map(len, self._parts)) + queued + sent

    @property
    def idle_since(self) -> float | None:
        """The event loop's time of the last frame, None while something is under way."""
        if self._exchange is not None and self._exchange.busy:
            return None
        return self._last_at

    def overdue(self, now: float) -> bool:
        """Whether the peer has had its time. `now`: the event loop's clock."""
        for since in (self._begun_at, self._stalled_at, self._closed_at):
            if since is not None and now - since > REQUEST_SECONDS:
                return True
        idle = self.idle_since
        return bool(self.idle_seconds) and idle is not None and now - idle > self.idle_seconds

    def cut(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # ---- the event loop's calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of classes of their own.
        self._transport = opened = cast(asyncio.Transport, transport)
        opened.set_write_buffer_limits(high=WRITE_HIGH_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._exchange is not None:
            self._exchange.lost("The connection ended.")

    def eof_received(self) -> None:
        self._end()

    def pause_writing(self) -> None:
        self.full = True
        self._stalled_at = self._loop.time()

    def resume_writing(self) -> None:
        self.full, self._stalled_at = False, None
        if self._exchange is not None:
            self._exchange.writable()

    def data_received(self, data: bytes) -> None:
        if self._closed_at is not None:
            return
        self._unparsed_bytes += len(data)
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, WebSocketFrame):
                self._take(event)
            elif isinstance(event, Request | Response):
                self._unparsed_bytes = 0
                self.opening(event)
        self._flush()
        if self._websocket.parser_exc is not None:
            self._fail(type(self._websocket.parser_exc).__name__)
        elif self._unparsed_bytes > 0 or self._parts:
            if self._begun_at is None:
                self._begun_at = self._loop.time()
        else:
            self._begun_at = None

    def opening(self, event: Request | Response) -> None:
        """The other side's half of the opening handshake."""
        raise NotImplementedError

    # ---- inside ----------------------------------------------------------------------------------

    def _take(self, frame: WebSocketFrame) -> None:
        self._unparsed_bytes -= self._wire_bytes(len(frame.data))
        if frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._last_at = self._loop.time()
            self._begun_at = None
            self._take_part(bytearray(frame.data), frame.fin)
        elif frame.opcode is Opcode.TEXT:
            self._refuse(UNSUPPORTED, "Streams carry binary messages only.")
        elif frame.opcode is Opcode.PING:
            self._count_ping()
        elif frame.opcode is Opcode.PONG:
            self.last_pong_at = self._loop.time()
        elif frame.opcode is Opcode.CLOSE:
            self._end()

    def ping(self) -> None:
        """Ask whether the peer is there; `last_pong_at` says when it was last."""
        if self._websocket.state is State.OPEN:
            self._websocket.send_ping(b"")
            self._flush()

    def _take_part(self, data: bytearray, last: bool) -> None:
        if not last:
            self._parts.append(data)
            return
        if self._parts:
            data, self._parts = bytearray().join([*self._parts, data]), []
        if self._exchange is not None and self._closed_at is None:
            self._exchange.received(data)

    def _wire_bytes(self, length: int) -> int:
        """What a frame of that payload takes at least, header included."""
        header = 2 if length < 126 else 4 if length < 65536 else 10
        return header + length + (4 if self._masked else 0)

    def _count_ping(self) -> None:
        now = self._loop.time()
        if self._trusted:
            self._last_at = now
        if now - self._pings_since > PING_SECONDS:
            self._pings_since, self._pings = now, 0
        self._pings += 1
        if self._pings > STREAM_PINGS_MAX:
            self._refuse(POLICY_VIOLATION, "Too many pings.")

    def _refuse(self, code: int, reason: str) -> None:
        if self._exchange is None:
            self.close(code, reason)
        else:
            self._exchange.end(code, reason)

    def _fail(self, what: str) -> None:
        """The library has sent why it gave up."""
        if self._exchange is not None:
            self._exchange.lost(f"The other side broke the protocol ({what}).")
        self._end()

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._end()

    def _end(self) -> None:
        if self._closed_at is None and self._transport is not None:
            self._closed_at = self._loop.time()
            self._transport.close()
