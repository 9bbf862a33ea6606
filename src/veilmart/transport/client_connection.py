"""One connection of the HTTP client: a request out, its answer in, again and again.

The parser is httptools, the one that the server uses. Nothing of an answer is kept but its status
and body, and never more of it than was agreed. A general HTTP client spends three times as much
on an exchange as a purchase can afford (docs/adr/0008-own-http-client.md).
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from veilmart.errors import MessageTooLarge, UnexpectedAnswer, VeilmartError
from veilmart.limits import HTTP_HEADER_MAX_BYTES

_OK = 200
_FIRST_FINAL = 200
_ERROR_MAX_BYTES = 4096
_DIGITS_MAX = 15
_JOIN_MAX_BYTES = 64 * 1024


class ConnectionEnded(Exception):
    """The server ended the connection before its answer was complete."""


class ClientConnection(asyncio.Protocol):
    """Made by `loop.create_connection`. Only one exchange at a time.

    usable: whether another exchange may follow. idle_since: the event loop's clock.
    """

    def __init__(self, on_lost: "Callable[[ClientConnection], None]") -> None:
        self.usable = True
        self.idle_since = 0.0
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._max_bytes = 0
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._room = 0
        self._in_body = False
        self._until_end = True
        self._header_bytes = 0
        self._named_bytes = 0
        self._blocks: list[bytes] = []

    def exchange(
        self, head: bytes, body: bytes, max_bytes: int
    ) -> asyncio.Future[tuple[int, bytes]]:
        """Send a request; its answer's (status, body).

        Raises in the future: MessageTooLarge above `max_bytes` (4096 for any status but 200),
        UnexpectedAnswer for what is not HTTP, ConnectionEnded.
        """
        self._begin()
        self._max_bytes = max_bytes
        waiter = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        transport = self._transport
        if transport is None or transport.is_closing():
            self._end(ConnectionEnded())
        elif len(body) <= _JOIN_MAX_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        return waiter

    def cut(self) -> None:
        """End the connection at once; nobody waits for its answer any more."""
        self.usable = False
        self._waiter = None
        if self._transport is not None:
            self._transport.abort()

    # ---- the transport's callbacks -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Of that kind for every event loop, though uvloop's does not inherit from it.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, fault: Exception | None) -> None:
        self.usable = False
        if self._in_body and self._until_end and fault is None:
            self._answered()
        else:
            self._end(ConnectionEnded())
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.cut()  # an answer that nobody asked for
            return
        if not self._in_body:
            self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as fault:
            # httptools hides what a callback raised behind an error of its own.
            cause = fault.__context__
            self._refuse(cause if isinstance(cause, VeilmartError) else _not_http())
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(_not_http())
        else:
            if not self._in_body and self._header_bytes > HTTP_HEADER_MAX_BYTES:
                self._refuse(_not_http())

    # ---- the parser's callbacks ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._waiter is None or self._in_body:
            raise UnexpectedAnswer("Two answers came to one request.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._named_bytes += len(name) + len(value)
        if self._in_body:
            raise UnexpectedAnswer("Trailers are not accepted.")
        name = name.lower()
        if name == b"content-length":
            self._until_end = False
            if not value.isdigit() or len(value) > _DIGITS_MAX:
                raise UnexpectedAnswer("Its Content-Length is not a number of bytes.")
            self._room = int(value)
        elif name == b"transfer-encoding":
            self._until_end = False

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status < _FIRST_FINAL or self._named_bytes > HTTP_HEADER_MAX_BYTES:
            raise _not_http()
        self._in_body = True
        announced = self._room
        self._room = self._max_bytes if self._status == _OK else _ERROR_MAX_BYTES
        if announced > self._room:
            raise MessageTooLarge(f"The answer has {announced} bytes.")

    def on_body(self, block: bytes) -> None:
        self._room -= len(block)
        if self._room < 0:
            raise MessageTooLarge("The answer has more bytes than were agreed.")
        self._blocks.append(block)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.usable = False
        self._answered()

    # ---- outcomes ------------------------------------------------------------------------------

    def _answered(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            blocks = self._blocks
            waiter.set_result((self._status, blocks[0] if len(blocks) == 1 else b"".join(blocks)))

    def _end(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def _refuse(self, error: VeilmartError) -> None:
        self._end(error)
        self.cut()


def _not_http() -> UnexpectedAnswer:
    return UnexpectedAnswer("It was not HTTP.")
