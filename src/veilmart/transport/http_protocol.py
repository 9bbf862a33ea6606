"""uvicorn's HTTP/1.1 protocol with a deadline on everything a peer is waited for.

What is bounded, and by what:
- from the connection, or the first byte of a further request, to the end of its header:
  `header_seconds` and HTTP_HEADER_MAX_BYTES, by whatever small steps it comes;
- from there to the end of the body: `request_seconds`;
- an answer that the peer does not take: `request_seconds`;
- the rest of a body that is refused already: LINGER_SECONDS, so that the refusal is read;
- requests sent ahead on one connection: PIPELINE_MAX;
- an idle connection: KEEP_ALIVE_SECONDS (uvicorn's own timer);
- connections that are not streams: CONNECTIONS_MAX, by cutting some that wait for their
  peer (crowding.py).
Deadlines are numbers; the server looks at all of them from time to time, which costs a request
nothing but two assignments.
"""

import asyncio
from collections.abc import Collection
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from veilmart.errors import MalformedMessage
from veilmart.limits import (
    CONNECTIONS_MAX,
    HEADER_SECONDS,
    HTTP_HEADER_MAX_BYTES,
    LINGER_SECONDS,
    PIPELINE_MAX,
    REQUEST_SECONDS,
)
from veilmart.protocol.stream_frames import STREAM_PATH
from veilmart.transport.crowding import to_cut
from veilmart.transport.fair_work import owner_of

_CUT_AT_ONCE = 64  # so that a crowd at the door costs one look at all for many newcomers


class DeadlineProtocol(HttpToolsProtocol):
    """One connection. Subclasses set other bounds: for tests, or what the system allows."""

    header_seconds: ClassVar[float] = HEADER_SECONDS
    request_seconds: ClassVar[float] = REQUEST_SECONDS
    connections_max: ClassVar[int] = CONNECTIONS_MAX
    leaving: ClassVar[set["DeadlineProtocol"]] = set()
    """Cut, but the event loop has not said so yet; each server's own subclass has its own set."""
    streams: ClassVar[Collection[object]] = ()
    """Those of the connections that are streams, which have a bound of their own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_deadline: float | None = None
        self._write_deadline: float | None = None
        self._in_header = False
        self._in_body = False
        self._header_bytes = 0
        self.owner = ""
        self.waiting_since: float | None = None

    def overdue(self, now: float) -> bool:
        """Whether the peer has had its time. `now`: the event loop's clock."""
        if self.transport.is_closing() and self._write_deadline is None:
            self._write_deadline = now + self.request_seconds
        return (self._read_deadline is not None and now > self._read_deadline) or (
            self._write_deadline is not None and now > self._write_deadline
        )

    def cut(self) -> None:
        """End the connection at once."""
        self.waiting_since = None
        self.leaving.add(self)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.leaving.discard(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting_since = self.loop.time()
        self._read_deadline = self.waiting_since + self.header_seconds
        self.owner = owner_of(None if self.client is None else self.client[0])
        others = len(self.leaving) + len(self.streams)
        if len(self.connections) - others > self.connections_max:
            self._make_room()

    def _make_room(self) -> None:
        others = [peer for peer in self.connections if isinstance(peer, DeadlineProtocol)]
        cut = to_cut(others, min(_CUT_AT_ONCE, max(1, self.connections_max // 4)))
        if not cut:
            self.cut()
        for connection in cut:
            connection.cut()

    def data_received(self, data: bytes) -> None:
        if self._read_deadline is None and not self._in_body:
            # Line ends before a request count as well: they must not keep an idle one open.
            self._read_deadline = self.loop.time() + self.header_seconds
        begun_before = self._in_header
        super().data_received(data)
        if begun_before and self._in_header:
            self._header_bytes += len(data)
            if self._header_bytes > HTTP_HEADER_MAX_BYTES and not self.transport.is_closing():
                self.send_400_response("The header is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_header = True
        self._header_bytes = 0
        if self._read_deadline is None:
            self._read_deadline = self.loop.time() + self.header_seconds

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_header:
            raise MalformedMessage("Trailers are not accepted.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_header = False
        self._in_body = True
        upgrading = self.parser.should_upgrade()
        if (upgrading and not self._opens_stream()) or len(self.pipeline) >= PIPELINE_MAX:
            raise MalformedMessage  # answered with 400 by the parser's caller
        self._read_deadline = self.loop.time() + self.request_seconds
        super().on_headers_complete()

    def _opens_stream(self) -> bool:
        """Whether a stream is asked for, and nothing else is under way on this connection."""
        wanted = self.url == STREAM_PATH.encode() and self.parser.get_method() == b"GET"
        quiet = self.cycle is None or self.cycle.response_complete
        return wanted and quiet and not self.pipeline and self._should_upgrade()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._read_deadline = None
        refused = self.cycle is not None and self.cycle.response_complete
        self.waiting_since = self.loop.time() if refused else None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline:
            self.waiting_since = self.loop.time()
        if self._in_body and not self.pipeline and self._read_deadline is not None:
            self._read_deadline = min(self._read_deadline, self.loop.time() + LINGER_SECONDS)

    def pause_writing(self) -> None:
        self._write_deadline = self.loop.time() + self.request_seconds
        super().pause_writing()

    def resume_writing(self) -> None:
        self._write_deadline = None
        super().resume_writing()
