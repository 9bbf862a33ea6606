"""A client that rests reads nothing: how soon it answers would tell what the program works on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.support.streaming import Counter, serving
from tests.support.waiting import until
from veilmart.errors import BrokerUnreachable
from veilmart.protocol.stream_frames import Kind, decode_frame, encode_frame
from veilmart.transport.client import HttpClient
from veilmart.transport.stream_client import StreamClient


class Pinging:
    """A server that answers each question with "!", and pings when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.websocket = ServerProtocol()
        self.pongs = 0
        self.task = asyncio.ensure_future(self._serve())

    async def _serve(self) -> None:
        while data := await self.reader.read(65536):
            self.websocket.receive_data(data)
            for event in self.websocket.events_received():
                if isinstance(event, Request):
                    self.websocket.send_response(self.websocket.accept(event))
                elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                    asked = decode_frame(bytes(event.data))
                    answer = encode_frame(asked.correlation, Kind.ANSWER, b"!")
                    self.websocket.send_binary(answer)
                elif isinstance(event, Frame) and event.opcode is Opcode.PONG:
                    self.pongs += 1
            self.flush()

    def flush(self) -> None:
        for data in self.websocket.data_to_send():
            if data:
                self.writer.write(data)

    def ping(self) -> None:
        self.websocket.send_ping(b"")
        self.flush()


@asynccontextmanager
async def pinging_server() -> AsyncIterator[tuple[int, list[Pinging]]]:
    peers: list[Pinging] = []
    server = await asyncio.start_server(
        lambda reader, writer: peers.append(Pinging(reader, writer)), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1], peers
    finally:
        server.close()
        for peer in peers:
            peer.task.cancel()
            peer.writer.close()


async def test_pings_are_answered_after_the_rest_and_not_during_it() -> None:
    """How late a pong comes would say how busy a wallet is, and until when it writes."""
    async with (
        pinging_server() as (port, peers),
        StreamClient(f"127.0.0.1:{port}", BrokerUnreachable) as client,
    ):
        assert await client.post("/v1/request", b"", max_bytes=9) == b"!"
        peers[0].ping()
        await until(lambda: peers[0].pongs == 1)  # a client that does not rest answers
        await client.rest()
        for _ in range(20):
            peers[0].ping()
            await asyncio.sleep(0.005)
        assert peers[0].pongs == 1
        assert await client.post("/v1/request", b"", max_bytes=9) == b"!"
        await until(lambda: peers[0].pongs == 21)
        assert len(peers) == 1


async def test_a_stream_that_ended_during_the_rest_is_made_again() -> None:
    """Its end is not even noticed before: a client closes its half when it goes on."""
    async with (
        pinging_server() as (port, peers),
        StreamClient(f"127.0.0.1:{port}", BrokerUnreachable) as client,
    ):
        await client.post("/v1/request", b"", max_bytes=9)
        await client.rest()
        peers[0].writer.write_eof()
        await asyncio.sleep(0.05)
        assert not peers[0].reader.at_eof()
        assert await client.post("/v1/request", b"", max_bytes=9) == b"!"
        assert len(peers) == 2


@pytest.mark.parametrize("kind", [StreamClient, HttpClient])
async def test_a_request_that_is_under_way_goes_on(kind: type[StreamClient | HttpClient]) -> None:
    counter = Counter()
    async with (
        serving(counter) as port,
        kind(f"127.0.0.1:{port}", BrokerUnreachable) as client,
    ):
        slow = asyncio.create_task(client.post("/v1/session", b"slow", max_bytes=10))
        await until(lambda: counter.waiting)
        await client.rest()
        counter.release.set()
        assert await slow == b"slow"
        await client.rest()
        assert await client.post("/v1/request", b"on", max_bytes=10) == b"on!"
