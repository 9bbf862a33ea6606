"""A small server with streams, and a peer that says anything on one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response as Opening
from websockets.uri import parse_uri

from veilmart.errors import InsufficientBalance
from veilmart.protocol.stream_frames import STREAM_PATH, decode_frame
from veilmart.transport.answers import binary_answer
from veilmart.transport.frame_exchange import Answered
from veilmart.transport.routes import Post, Routes
from veilmart.transport.server import serve

MAX_BYTES = 64 * 1024


class Counter:
    """What the endpoints saw, and when they may answer."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.owners: list[str] = []
        self.release = asyncio.Event()
        self.waiting = 0

    async def echo(self, body: bytes, owner: str) -> Answered:
        self.bodies.append(body)
        self.owners.append(owner)
        return body, b"!"

    async def wait(self, body: bytes, _owner: str) -> Answered:
        self.waiting += 1
        await self.release.wait()
        return body, None

    async def big(self, body: bytes, _owner: str) -> Answered:
        self.bodies.append(body)
        return bytes(1024 * 1024), None

    async def fail(self, body: bytes, _owner: str) -> Answered:
        if body == b"refuse":
            raise InsufficientBalance("5 short")
        raise KeyError("a secret")

    async def number(self, request: Request) -> Response:
        return binary_answer(request.path_params["number"].encode())

    def routes(self) -> Routes:
        return Routes(
            {
                "/v1/session": Post(self.wait, MAX_BYTES),
                "/v1/request": Post(self.echo, MAX_BYTES),
                "/v1/link": Post(self.fail, MAX_BYTES),
                "/v1/link/request": Post(self.big, MAX_BYTES),
            },
            [("/v1/number/{number}", self.number)],
        )


@asynccontextmanager
async def served(
    application: Any, release: asyncio.Event, **options: Any
) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """The port of an application, and what stops it. release: lets its endpoints answer then."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    server = asyncio.ensure_future(
        serve(application, "127.0.0.1", 0, on_started=port.set_result, stop=stop, **options)
    )
    await asyncio.wait([server, port], return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        server.result()
    try:
        yield port.result(), stop
    finally:
        stop.set()
        release.set()
        await server


@asynccontextmanager
async def serving(counter: Counter, **options: Any) -> AsyncIterator[int]:
    async with served(counter.routes(), counter.release, **options) as (port, _stop):
        yield port


@dataclass
class RawPeer:
    """A WebSocket client that sends what it is told, right or wrong."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    websocket: ClientProtocol
    response: Opening | None = None
    frames: list[Frame] = field(default_factory=list)

    def flush(self) -> None:
        for data in self.websocket.data_to_send():
            if data:
                self.writer.write(data)

    def send(self, message: bytes) -> None:
        self.websocket.send_binary(message)
        self.flush()

    def raw(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self, seconds: float = 5.0) -> bool:
        """Take what comes next; False at the end."""
        async with asyncio.timeout(seconds):
            try:
                data = await self.reader.read(65536)
            except ConnectionError:
                return False
        if not data:
            return False
        self.websocket.receive_data(data)
        for event in self.websocket.events_received():
            if isinstance(event, Frame):
                self.frames.append(event)
            elif isinstance(event, Opening):
                self.response = event
        return True

    async def next(self, seconds: float = 5.0) -> tuple[int, int, bytes]:
        """The next binary frame: (correlation, kind, body). Raises ConnectionError at the end."""
        while True:
            for place, frame in enumerate(self.frames):
                if frame.opcode is Opcode.BINARY:
                    del self.frames[place]
                    came = decode_frame(bytes(frame.data))
                    return came.correlation, came.kind, bytes(came.body)
            if not await self.read(seconds):
                raise ConnectionError("the stream ended")

    async def closed(self, seconds: float = 5.0) -> int | None:
        """Read to the end; the code of the server's close frame."""
        while await self.read(seconds):
            pass
        return None if self.websocket.close_rcvd is None else self.websocket.close_rcvd.code


@asynccontextmanager
async def raw_peer(
    port: int, headers: dict[str, str] | None = None, path: str = STREAM_PATH
) -> AsyncIterator[RawPeer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    websocket = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}{path}"), max_size=4 << 20)
    peer = RawPeer(reader, writer, websocket)
    opening = websocket.connect()
    for name, value in (headers or {}).items():
        opening.headers[name] = value
    websocket.send_request(opening)
    peer.flush()
    while peer.response is None:
        assert await peer.read(), "no answer to the opening request"
    try:
        yield peer
    finally:
        writer.close()
