"""A proxy that understands whole messages, so that a test can change, hold or drop them.

A stream's frames are shown to the handler as the HTTP messages that they stand for, and one that
has `streams` off refuses to open any, so that everything goes by POST.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from websockets.frames import Frame as WebSocketFrame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.support.listening import listening
from veilmart.protocol.stream_frames import (
    PATHS,
    STREAM_PATH,
    Frame,
    Kind,
    decode_frame,
    encode_frame,
)

READ_MAX_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class HttpMessage:
    """first: the request or status line. headers: without Content-Length."""

    first: str
    headers: tuple[str, ...]
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        return self.first.split()[1]

    def with_body(self, body: bytes) -> "HttpMessage":
        return replace(self, body=body)

    def encoded(self) -> bytes:
        lines = (self.first, *self.headers, f"Content-Length: {len(self.body)}", "", "")
        return "\r\n".join(lines).encode("latin-1") + self.body


class Gone(ConnectionError):
    """Raised by a handler: cut the asker off without an answer."""


Forward = Callable[[HttpMessage], Awaitable[HttpMessage]]
Handler = Callable[[HttpMessage, Forward], Awaitable[HttpMessage]]


async def pass_on(request: HttpMessage, forward: Forward) -> HttpMessage:
    """The handler that changes nothing."""
    return await forward(request)


async def read_message(reader: asyncio.StreamReader) -> HttpMessage:
    """Raises IncompleteReadError when the connection ends before the message does."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *headers = head[:-4].split("\r\n")
    length, kept = 0, []
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "content-length":
            length = int(value)
        else:
            kept.append(header)
    return HttpMessage(first, tuple(kept), await reader.readexactly(length))


class TamperingProxy:
    """address: where it listens, for good. target: "host:port", may change. handler: likewise."""

    def __init__(self, *, streams: bool = True) -> None:
        self.streams = streams
        self.address = ""
        self.target = ""
        self.handler: Handler = pass_on
        self.exchanges = 0

    def reset(self) -> None:
        """Pass everything on again, and count from zero."""
        self.handler = pass_on
        self.exchanges = 0

    async def forward(self, request: HttpMessage) -> HttpMessage:
        """Send a request on, over a connection of its own."""
        host, _, port = self.target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=READ_MAX_BYTES)
        try:
            writer.write(request.encoded())
            await writer.drain()
            return await read_message(reader)
        finally:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await read_message(reader)
                if request.first.startswith(f"GET {STREAM_PATH} ") and self.streams:
                    await self._serve_stream(request, reader, writer)
                    return
                if request.first.startswith(f"GET {STREAM_PATH} "):
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                self.exchanges += 1
                answer = await self.handler(request, self.forward)
                writer.write(answer.encoded())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def _serve_stream(
        self, opening: HttpMessage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        websocket, tasks = ServerProtocol(max_size=None), set[asyncio.Task[None]]()

        def flush() -> None:
            for data in websocket.data_to_send():
                if data:
                    writer.write(data)

        async def answer(frame: Frame) -> None:
            path = PATHS.get(frame.kind)
            first = (
                f"POST {path} HTTP/1.1" if path else f"GET {bytes(frame.body).decode()} HTTP/1.1"
            )
            request = HttpMessage(first, ("Host: x",), bytes(frame.body) if path else b"")
            self.exchanges += 1
            try:
                answered = await self.handler(request, self.forward)
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                return
            kind = Kind.ANSWER if answered.first.split()[1] == "200" else Kind.ERROR
            websocket.send_binary(encode_frame(frame.correlation, kind, b"") + answered.body)
            flush()

        websocket.receive_data(f"{opening.first}\r\n".encode())
        websocket.receive_data("".join(f"{line}\r\n" for line in opening.headers).encode())
        data = b"\r\n"
        try:
            while data:
                websocket.receive_data(data)
                for event in websocket.events_received():
                    if isinstance(event, Request):
                        websocket.send_response(websocket.accept(event))
                    elif not isinstance(event, WebSocketFrame):
                        continue
                    elif event.opcode is Opcode.BINARY:
                        tasks.add(asyncio.create_task(answer(decode_frame(bytes(event.data)))))
                    elif event.opcode is Opcode.CLOSE:
                        return
                flush()
                data = await reader.read(READ_MAX_BYTES)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            writer.close()


@asynccontextmanager
async def tampering_proxy(
    target: str = "", *, streams: bool = True
) -> AsyncIterator[TamperingProxy]:
    """Listen on a free loopback port."""
    proxy = TamperingProxy(streams=streams)
    proxy.target = target
    async with listening(proxy.serve, READ_MAX_BYTES) as proxy.address:
        yield proxy
