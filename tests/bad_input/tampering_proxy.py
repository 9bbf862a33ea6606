"""An HTTP proxy that understands whole messages, so that a test can change, hold or drop them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from veilmart.errors import VeilmartError
from veilmart.transport.answers import error_answer

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


def refusing(error: VeilmartError) -> HttpMessage:
    """The answer of a server that refuses with `error`."""
    answer = error_answer(error)
    return HttpMessage(f"HTTP/1.1 {answer.status_code} Refused", (), bytes(answer.body))


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

    def __init__(self) -> None:
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
                self.exchanges += 1
                answer = await self.handler(request, self.forward)
                writer.write(answer.encoded())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


@asynccontextmanager
async def tampering_proxy(target: str = "") -> AsyncIterator[TamperingProxy]:
    """Listen on a free loopback port."""
    proxy = TamperingProxy()
    proxy.target = target
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=READ_MAX_BYTES)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
