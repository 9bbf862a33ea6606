"""Streams between the real server and the real client, and what each end bounds."""

import asyncio
import socket
from contextlib import AsyncExitStack
from functools import partial
from itertools import count

import pytest

from tests.support.socks_server import socks_server
from tests.support.streaming import MAX_BYTES, Counter, raw_peer, serving
from tests.support.waiting import until
from veilmart.errors import (
    BrokerUnreachable,
    MessageTooLarge,
    ServerFault,
    UnsignedAnswer,
)
from veilmart.limits import STREAM_AT_ONCE, STREAM_FRAMES_MAX, STREAM_PINGS_MAX
from veilmart.protocol.stream_frames import Kind, encode_frame
from veilmart.transport import websocket_pipe
from veilmart.transport.client import HttpClient
from veilmart.transport.frame_turns import FrameTurns
from veilmart.transport.socks import SocksProxy
from veilmart.transport.stream_client import StreamClient
from veilmart.transport.stream_server import StreamServer, heaviest


def client(port: int, **options: object) -> StreamClient:
    return StreamClient(f"127.0.0.1:{port}", BrokerUnreachable, **options)  # type: ignore[arg-type]


async def test_what_is_posted_comes_back_over_one_connection() -> None:
    counter = Counter()
    async with serving(counter) as port, client(port) as stream:
        for body in (b"", b"one", bytes(MAX_BYTES)):
            assert await stream.post("/v1/request", body, max_bytes=MAX_BYTES + 1) == body + b"!"
        assert await stream.get("/v1/number/12", max_bytes=10) == b"12"
        assert stream.exchanges == 4
        assert counter.owners == ["127.0.0.1"] * 3


@pytest.mark.parametrize("kind", [StreamClient, HttpClient])
async def test_the_same_errors_over_both_transports(kind: type) -> None:
    async with serving(Counter()) as port, kind(f"127.0.0.1:{port}", BrokerUnreachable) as asked:
        with pytest.raises(UnsignedAnswer):
            await asked.post("/v1/link", b"refuse", max_bytes=100)
        with pytest.raises(ServerFault) as caught:
            await asked.post("/v1/link", b"break", max_bytes=100)
        assert "secret" not in str(caught.value)
        with pytest.raises(UnsignedAnswer):
            await asked.get("/v1/nothing", max_bytes=100)
        with pytest.raises(MessageTooLarge):
            await asked.post("/v1/request", bytes(MAX_BYTES + 1), max_bytes=100)
    async with serving(Counter()) as port, kind(f"127.0.0.1:{port}", BrokerUnreachable) as asked:
        with pytest.raises(MessageTooLarge):
            await asked.post("/v1/request", bytes(200), max_bytes=100)


async def test_answers_come_in_any_order() -> None:
    counter = Counter()
    async with serving(counter) as port, client(port) as stream:
        slow = asyncio.create_task(stream.post("/v1/session", b"slow", max_bytes=10))
        await until(lambda: counter.waiting)
        assert await stream.post("/v1/request", b"fast", max_bytes=10) == b"fast!"
        assert not slow.done()
        counter.release.set()
        assert await slow == b"slow"


async def test_a_stream_works_on_so_many_questions_at_once_and_on_all_in_the_end() -> None:
    counter = Counter()
    async with serving(counter) as port, client(port) as stream:
        asked = [
            asyncio.create_task(stream.post("/v1/session", b"%d" % n, max_bytes=10))
            for n in range(STREAM_FRAMES_MAX + 20)
        ]
        await until(lambda: counter.waiting == STREAM_AT_ONCE)
        await asyncio.sleep(0.1)  # one more would begin now
        assert counter.waiting == STREAM_AT_ONCE
        counter.release.set()
        assert await asyncio.gather(*asked) == [b"%d" % n for n in range(len(asked))]


async def test_a_server_without_streams_is_asked_by_post() -> None:
    counter = Counter()

    class PostOnly:
        async def __call__(self, scope, receive, send) -> None:
            await routes(scope, receive, send)

    routes = counter.routes()
    counter.routes = PostOnly  # type: ignore[method-assign, assignment]
    async with serving(counter) as port, client(port) as stream:
        assert await stream.post("/v1/request", b"one", max_bytes=10) == b"one!"
        assert await stream.get("/v1/number/12", max_bytes=10) == b"12"
        assert stream.exchanges == 2


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with client(closed.getsockname()[1]) as stream:
            with pytest.raises(BrokerUnreachable):
                await stream.post("/v1/request", b"", max_bytes=10)


async def test_a_stream_that_was_lost_is_made_again_for_the_next_question() -> None:
    counter = Counter()
    async with serving(counter) as port:
        stream = client(port)
        assert await stream.post("/v1/request", b"one", max_bytes=10) == b"one!"
    with pytest.raises(BrokerUnreachable):
        await stream.post("/v1/request", b"two", max_bytes=10)
    async with serving(Counter()) as other:
        stream._address = f"127.0.0.1:{other}"
        assert await stream.post("/v1/request", b"three", max_bytes=10) == b"three!"
        await stream.aclose()


async def test_a_server_that_stops_answers_what_was_asked() -> None:
    counter = Counter()
    async with serving(counter) as port:
        stream = client(port)
        asked = asyncio.create_task(stream.post("/v1/session", b"asked", max_bytes=10))
        await until(lambda: counter.waiting)
    assert await asked == b"asked"
    await stream.aclose()


async def test_an_answer_that_does_not_come_in_time() -> None:
    async with serving(Counter()) as port, client(port, answer_seconds=0.1) as stream:
        with pytest.raises(BrokerUnreachable, match="in time"):
            await stream.post("/v1/session", b"", max_bytes=10)
        assert await stream.post("/v1/request", b"on", max_bytes=10) == b"on!"


async def test_through_a_proxy_with_credentials_of_its_own() -> None:
    async with serving(Counter()) as port, socks_server() as proxy:
        proxy.names["market.invalid"] = "127.0.0.1"
        for _ in range(2):
            way = SocksProxy("127.0.0.1", proxy.port).isolated()
            stream = StreamClient(f"market.invalid:{port}", BrokerUnreachable, proxy=way)
            assert await stream.post("/v1/request", b"one", max_bytes=10) == b"one!"
            await stream.aclose()
        assert [(host, at) for _, _, host, at in proxy.seen] == [("market.invalid", port)] * 2
        assert len({username for username, *_ in proxy.seen}) == 2


async def test_opening_requests_do_not_tell_clients_apart() -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(2):
        async with client(port) as stream:
            with pytest.raises(BrokerUnreachable):
                await stream.post("/v1/request", b"", max_bytes=10)
    server.close()
    lines = [[line.split(b":")[0] for line in head.split(b"\r\n")] for head in seen]
    assert lines[0] == lines[1]
    assert lines[0][1:-2] == [
        b"Host",
        b"Upgrade",
        b"Connection",
        b"Sec-WebSocket-Key",
        b"Sec-WebSocket-Version",
    ]


# ---- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", 1002),
        (b"\0\0\0\0", 1002),
        (encode_frame(0, Kind.REQUEST, b"")[:-1] + b"\x7f", 1002),
        (encode_frame(0, Kind.ANSWER, b"nobody asked"), 1002),
        (encode_frame(0, Kind.ERROR, b""), 1002),
        (encode_frame(0, Kind.REQUEST, bytes(MAX_BYTES)) + b"!", 1009),
        (bytes(256 * 1024), 1009),
    ],
    ids=["empty", "cut", "unknown kind", "an answer", "an error", "too long", "far too long"],
)
async def test_a_frame_that_breaks_the_protocol_ends_its_stream_and_no_other(
    message: bytes, code: int
) -> None:
    async with serving(Counter()) as port, raw_peer(port) as peer, client(port) as honest:
        assert await honest.post("/v1/request", b"one", max_bytes=10) == b"one!"
        peer.send(message)
        assert await peer.closed() == code
        assert await honest.post("/v1/request", b"two", max_bytes=10) == b"two!"
        assert honest.exchanges == 2


async def test_frames_that_come_cut_and_merged_by_the_network_are_the_same_frames() -> None:
    counter = Counter()
    async with serving(counter) as port, raw_peer(port) as peer:
        for number in range(3):
            peer.websocket.send_binary(encode_frame(number, Kind.REQUEST, b"%d" % number))
        merged = b"".join(peer.websocket.data_to_send())
        peer.raw(merged)
        assert sorted([await peer.next() for _ in range(3)]) == [
            (n, Kind.ANSWER, b"%d!" % n) for n in range(3)
        ]
        for byte in merged:
            peer.raw(bytes([byte]))
            await asyncio.sleep(0)
        assert len([await peer.next() for _ in range(3)]) == 3


async def test_a_message_in_fragments_is_one_frame_and_bounded_as_one() -> None:
    async with serving(Counter()) as port, raw_peer(port) as peer:
        message = encode_frame(5, Kind.REQUEST, b"fragments")
        peer.websocket.send_binary(message[:3], fin=False)
        peer.websocket.send_continuation(message[3:6], fin=False)
        peer.websocket.send_continuation(message[6:], fin=True)
        peer.flush()
        assert await peer.next() == (5, Kind.ANSWER, b"fragments!")
        peer.websocket.send_binary(encode_frame(6, Kind.REQUEST, b""), fin=False)
        for _ in range(5):
            peer.websocket.send_continuation(bytes(60_000), fin=False)
        peer.flush()
        assert await peer.closed() == 1009


async def test_a_correlation_number_in_use() -> None:
    async with serving(Counter()) as port, raw_peer(port) as peer:
        peer.send(encode_frame(9, Kind.SESSION, b"one"))
        peer.send(encode_frame(9, Kind.SESSION, b"two"))
        assert await peer.closed() == 1002


async def test_a_correlation_number_is_free_again_after_its_answer() -> None:
    async with serving(Counter()) as port, raw_peer(port) as peer:
        for body in (b"one", b"two"):
            peer.send(encode_frame(9, Kind.REQUEST, body))
            assert await peer.next() == (9, Kind.ANSWER, body + b"!")


async def test_more_questions_than_may_wait() -> None:
    async with serving(Counter()) as port, raw_peer(port) as peer:
        for number in range(STREAM_FRAMES_MAX + 1):
            peer.send(encode_frame(number, Kind.SESSION, b""))
        assert await peer.closed() == 1002


async def test_text_frames_are_refused() -> None:
    async with serving(Counter()) as port, raw_peer(port) as peer:
        peer.websocket.send_text(b"hello")
        peer.flush()
        assert await peer.closed() == 1003


async def test_an_offer_to_compress_is_not_taken() -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    async with serving(Counter()) as port, raw_peer(port, offer) as peer:
        assert peer.response is not None
        assert peer.response.status_code == 101
        assert "Sec-WebSocket-Extensions" not in peer.response.headers
        assert {name.lower() for name in peer.response.headers} == {
            "upgrade",
            "connection",
            "sec-websocket-accept",
        }
        peer.send(encode_frame(1, Kind.REQUEST, b"plain"))
        assert await peer.next() == (1, Kind.ANSWER, b"plain!")
        # A compressed message all the same: RSV1 is set, which nobody agreed on.
        peer.raw(b"\xc2\x80\0\0\0\0")
        assert await peer.closed() == 1002


async def test_frames_that_are_not_masked() -> None:
    async with serving(Counter()) as port, raw_peer(port) as peer:
        peer.raw(b"\x82\x06" + encode_frame(1, Kind.REQUEST, b"!"))
        assert await peer.closed() == 1002


async def test_pings_without_end() -> None:
    async with serving(Counter()) as port, raw_peer(port) as peer:
        for _ in range(STREAM_PINGS_MAX):
            peer.websocket.send_ping(b"")
        peer.flush()
        peer.send(encode_frame(1, Kind.REQUEST, b"still there"))
        assert await peer.next() == (1, Kind.ANSWER, b"still there!")
        peer.websocket.send_ping(b"")
        peer.flush()
        assert await peer.closed() == 1008


async def test_a_peer_that_never_reads_costs_a_bounded_number_of_answers() -> None:
    counter = Counter()
    async with serving(counter) as port, raw_peer(port) as peer, client(port) as honest:
        for number in range(200):
            peer.send(encode_frame(number, Kind.LINK_REQUEST, b""))
        await asyncio.sleep(0.5)
        # Answers of a MiB: those begun before the pipe was full, and no more.
        assert len(counter.bodies) <= 2 * STREAM_AT_ONCE
        assert await honest.post("/v1/request", b"one", max_bytes=10) == b"one!"
        came = [await peer.next() for _ in range(200)]
        assert sorted(number for number, _, _ in came) == list(range(200))


@pytest.mark.parametrize("path", ["/v1/streams", "/v1/stream/", "/", "/v1/stream?x"])
async def test_no_stream_at_another_path(path: str) -> None:
    async with serving(Counter()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Upgrade: websocket\r\nConnection: Upgrade\r\n", b"400"),
        ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", b"400"),
        ("Upgrade: h2c\r\nConnection: Upgrade\r\n", b"400"),
    ],
)
async def test_an_opening_request_that_is_none(lines: str, status: bytes) -> None:
    async with serving(Counter()) as port, client(port) as honest:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        assert (await reader.readline()).split()[1] == status
        writer.close()
        assert await honest.post("/v1/request", b"one", max_bytes=10) == b"one!"


async def test_when_there_are_too_many_streams_those_go_that_wait_longest() -> None:
    counter = Counter()
    async with serving(counter, streams_max=4) as port, AsyncExitStack() as stack:
        asking = await stack.enter_async_context(raw_peer(port))
        asking.send(encode_frame(1, Kind.SESSION, b"asked"))
        await until(lambda: counter.waiting)
        crowd = [await stack.enter_async_context(raw_peer(port)) for _ in range(6)]
        for idle in crowd[:3]:
            assert await idle.closed() is None
        counter.release.set()
        assert await asking.next() == (1, Kind.ANSWER, b"asked")
        crowd[-1].send(encode_frame(1, Kind.REQUEST, b"last"))
        assert await crowd[-1].next() == (1, Kind.ANSWER, b"last!")


async def test_an_idle_stream_ends_and_one_that_is_used_stays(monkeypatch) -> None:
    monkeypatch.setattr(StreamServer, "idle", 1.0)
    options = {"header_seconds": 0.2}
    async with (
        serving(Counter(), **options) as port,
        raw_peer(port) as idle,
        raw_peer(port) as pinging,
        raw_peer(port) as used,
    ):
        ended = [asyncio.create_task(each.closed()) for each in (idle, pinging)]
        for number in count():
            if all(each.done() for each in ended):
                break
            if not ended[1].done():
                pinging.websocket.send_ping(b"")
                pinging.flush()
            used.send(encode_frame(number, Kind.REQUEST, b""))
            assert await used.next() == (number, Kind.ANSWER, b"!")
            await asyncio.sleep(0.1)
        await asyncio.gather(*ended)


async def test_a_message_that_never_ends_is_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(websocket_pipe, "REQUEST_SECONDS", 0.3)
    async with serving(Counter(), header_seconds=0.2) as port, raw_peer(port) as peer:
        whole = encode_frame(1, Kind.REQUEST, bytes(1000))
        peer.websocket.send_binary(whole)
        data = b"".join(peer.websocket.data_to_send())
        ended = asyncio.create_task(peer.closed())
        for byte in data[:100]:
            peer.raw(bytes([byte]))
            await asyncio.sleep(0.02)
            if ended.done():
                break
        assert await ended is None


async def test_a_peer_that_takes_nothing_is_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(websocket_pipe, "REQUEST_SECONDS", 0.5)
    counter = Counter()
    async with serving(counter, header_seconds=0.2) as port, raw_peer(port) as peer:
        for number in range(50):
            peer.send(encode_frame(number, Kind.LINK_REQUEST, b""))
        await asyncio.sleep(1.5)
        with pytest.raises((AssertionError, ConnectionError)):
            for _ in range(50):
                await peer.next()


class Weight:
    def __init__(self, owner: str, held_bytes: int) -> None:
        self.owner, self.held_bytes = owner, held_bytes


def test_the_peer_that_holds_most_loses_streams_when_all_hold_too_much() -> None:
    own, crowd = Weight("a", 65), [Weight("b", n) for n in (10, 20, 30, 40)]
    streams = {own, *crowd}
    assert heaviest(streams, 165) == []
    assert heaviest(streams, 100) == [crowd[3], own]
    assert heaviest(streams, 119) == [crowd[3], own]


async def test_owners_take_turns_frame_by_frame() -> None:
    turns = FrameTurns(per_round=2)
    order: list[str] = []
    for n in range(6):
        turns.take("crowd", partial(order.append, f"crowd {n}"))
    turns.take("one", partial(order.append, "one"))
    while len(order) < 7:
        await asyncio.sleep(0)
    assert order.index("one") <= 3
    assert [name for name in order if name != "one"] == [f"crowd {n}" for n in range(6)]
