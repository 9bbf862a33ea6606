"""The end that dials, against servers that break the protocol."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.support.waiting import until
from veilmart.errors import BrokerUnreachable, UnsignedAnswer
from veilmart.limits import STREAM_PINGS_MAX
from veilmart.protocol.stream_frames import Kind, encode_frame
from veilmart.transport.stream_client import StreamClient


def client(port: int, **options: float) -> StreamClient:
    return StreamClient(f"127.0.0.1:{port}", BrokerUnreachable, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def false_server(
    *messages: bytes, text: bool = False, pings: int = 0, extension: str = "", reads: bool = True
):
    """Accepts a stream and answers its first message with these, whatever they are.

    pings: sent with them. extension: named in its opening answer. reads: False for one that takes
    nothing after the opening request.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        websocket = ServerProtocol(max_size=None)
        said = False
        try:
            while data := await reader.read(65536):
                websocket.receive_data(data)
                for event in websocket.events_received():
                    if isinstance(event, Request):
                        response = websocket.accept(event)
                        if extension:
                            response.headers["Sec-WebSocket-Extensions"] = extension
                        websocket.send_response(response)
                    elif isinstance(event, Frame) and event.opcode is Opcode.BINARY and not said:
                        said = True
                        for message in messages:
                            (websocket.send_text if text else websocket.send_binary)(message)
                        for _ in range(pings):
                            websocket.send_ping(b"")
                for out in websocket.data_to_send():
                    writer.write(out)
                if not reads:
                    await asyncio.Event().wait()
        except (ConnectionError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "messages",
    [
        [encode_frame(77, Kind.ANSWER, b"")],
        [b"\0\0\0"],
        [encode_frame(0, Kind.ANSWER, b"")[:-1] + b"\x90"],
        [encode_frame(0, Kind.ERROR, bytes(4096)) + b"!"],
        [bytes(3 * 1024 * 1024)],
        [encode_frame(0, Kind.ERROR, b"no error at all")],
    ],
    ids=["not asked", "cut", "unknown kind", "long error", "far too long", "error of no name"],
)
async def test_a_server_that_breaks_the_protocol_is_a_typed_failure(messages: list[bytes]) -> None:
    async with false_server(*messages) as port, client(port) as stream:
        with pytest.raises((BrokerUnreachable, UnsignedAnswer)):
            await stream.post("/v1/request", b"", max_bytes=100)


async def test_an_answer_that_comes_twice_ends_the_stream() -> None:
    answer = encode_frame(0, Kind.ANSWER, b"once")
    async with false_server(answer, answer) as port, client(port) as stream:
        assert await stream.post("/v1/request", b"", max_bytes=100) == b"once"
        ended = stream._exchange
        assert ended is not None
        await until(lambda: ended.lost_reason)
        assert "was answered" in str(ended.lost_reason)
        assert await stream.post("/v1/request", b"", max_bytes=100) == b"once"
        assert stream._exchange is not ended


async def test_a_server_that_answers_in_text() -> None:
    async with false_server(b"hello", text=True) as port, client(port) as stream:
        with pytest.raises(BrokerUnreachable):
            await stream.post("/v1/request", b"", max_bytes=100)


async def test_a_server_that_asks_a_customer_something() -> None:
    question = encode_frame(3, Kind.LINK, b"")
    answer = encode_frame(0, Kind.ANSWER, b"fine")
    async with false_server(question, answer) as port, client(port) as stream:
        assert await stream.post("/v1/request", b"", max_bytes=100) == b"fine"


async def test_a_server_that_pings_without_end() -> None:
    answer = encode_frame(0, Kind.ANSWER, b"fine")
    async with false_server(answer, pings=STREAM_PINGS_MAX + 1) as port, client(port) as stream:
        assert await stream.post("/v1/request", b"", max_bytes=100) == b"fine"
        await asyncio.sleep(0.1)
        assert stream._exchange is not None
        assert "pings" in str(stream._exchange.lost_reason)


async def test_a_server_that_accepts_what_was_not_offered() -> None:
    """To compress was not offered; such a stream is none, and what is no HTTP is no answer."""
    offer = "permessage-deflate"
    async with false_server(extension=offer) as port, client(port) as stream:
        with pytest.raises((BrokerUnreachable, UnsignedAnswer)):
            await stream.post("/v1/request", b"", max_bytes=100)


async def test_a_server_that_never_reads() -> None:
    """The question waits in the sockets' buffers; the asker gives up in its time."""
    async with (
        false_server(reads=False) as port,
        client(port, answer_seconds=0.3) as stream,
    ):
        with pytest.raises(BrokerUnreachable, match="in time"):
            await stream.post("/v1/request", bytes(60_000), max_bytes=100)
