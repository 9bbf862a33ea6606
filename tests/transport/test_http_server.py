"""The server against peers that are slow, wordy or not speaking HTTP."""

import asyncio

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.transport.shop import MAX_BYTES, Shop, running
from veilmart.errors import (
    DatabaseAway,
    DiskFull,
    InsufficientBalance,
    MessageTooLarge,
    PortInUse,
    ServerBusy,
    ServerFault,
    VeilmartError,
)
from veilmart.transport.server import serve

HUGE = 64 * 1024 * 1024


async def exchange(port: int, *blocks: bytes, half_close: bool = False) -> bytes:
    """Everything the server says until it closes, which it has to do by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for block in blocks:
            writer.write(block)
            await writer.drain()
            await asyncio.sleep(0.02)
        if half_close:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def last(path: str, body: bytes) -> bytes:
    return post(path, body, "Connection: close")


async def test_an_exchange_names_no_software_and_no_date() -> None:
    async with running(Shop()) as (port, _):
        said = await exchange(port, last("/echo", b"abc"))
    head, _, body = said.partition(b"\r\n\r\n")
    assert body == b"abc!"
    assert head.startswith(b"HTTP/1.1 200")
    assert b"application/octet-stream" in head
    assert b"server:" not in head.lower()
    assert b"date:" not in head.lower()


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(DatabaseAway("10.1.2.3"), ServerBusy), (DiskFull("/srv/books"), ServerFault)],
    ids=["database away", "disk full"],
)
async def test_our_own_disk_and_database_are_nobody_elses_business(
    trouble: VeilmartError, told: type[VeilmartError]
) -> None:
    shop = Shop()

    async def fail(_request: Request) -> Response:
        raise trouble

    shop.fail = fail  # type: ignore[method-assign]
    async with running(shop) as (port, _):
        said = await exchange(port, last("/fail", b""))
    error = msgspec.msgpack.decode(said.partition(b"\r\n\r\n")[2])
    assert error == {"code": told.code, "detail": ""}


async def test_an_offer_to_compress_is_not_taken() -> None:
    shop, packed = Shop(), b"\x1f\x8b is no gzip"
    async with running(shop) as (port, _):
        offer = ("Accept-Encoding: gzip, deflate", "Content-Encoding: gzip", "Connection: close")
        said = await exchange(port, post("/echo", packed, *offer))
    assert said.endswith(packed + b"!") and b"ncoding" not in said
    assert shop.bodies == [packed]


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with running(Shop()) as (port, _):
        said = await exchange(port, post("/echo", b"1") + post("/echo", b"2") + last("/echo", b"3"))
    assert [
        said.count(b"HTTP/1.1 200"),
        said.index(b"1!") < said.index(b"2!") < said.index(b"3!"),
    ] == [3, True]


async def test_endless_pipelining_is_cut() -> None:
    shop = Shop()
    async with running(shop) as (port, _):
        said = await exchange(port, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        assert b"400" in said.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HELLO\r\n\r\n",
        b"POST /echo HTTP/9.9\r\n\r\n",
        b"POST /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /wait HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
    ],
)
async def test_garbage_is_refused_and_the_server_lives(garbage: bytes) -> None:
    shop = Shop()
    async with running(shop) as (port, _):
        said = await exchange(port, garbage)
        assert said.startswith(b"HTTP/1.1 400")
        assert b"abc!" in await exchange(port, last("/echo", b"abc"))
    assert shop.bodies == [b"abc"]


async def test_an_endless_header_is_refused() -> None:
    async with running(Shop()) as (port, _):
        lines = [b"POST /echo HTTP/1.1\r\n", *[b"A: " + b"x" * 8000 + b"\r\n"] * 4]
        assert (await exchange(port, *lines)).startswith(b"HTTP/1.1 400")
        value = [b"POST /echo HTTP/1.1\r\nA: ", *[b"x" * 8000] * 4]
        assert (await exchange(port, *value)).startswith(b"HTTP/1.1 400")


async def drip(port: int, first: bytes, drop: bytes) -> bool:
    """Send `drop` for as long as the server stands it; whether it closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    closed = asyncio.ensure_future(reader.read())
    writer.write(first)
    for _ in range(200):
        if closed.done():
            break
        writer.write(drop)
        await asyncio.sleep(0.05)
    writer.close()
    try:
        await asyncio.wait_for(closed, 5)
    except ConnectionError:
        return True
    return _ < 199


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"POST /echo HTTP/1.1\r\nHost: ", b"x"),
        (b"POST /echo HTTP/1.1\r\n", b"A: b\r\n"),
        (post("/echo", b"abc"), b"\r\n"),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 900\r\n\r\n", b"x"),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["silent", "empty lines", "header byte", "header line", "kept alive", "body", "chunks"],
)
async def test_slow_senders_are_cut(first: bytes, drop: bytes) -> None:
    async with running(Shop(), header_seconds=0.3, request_seconds=0.6) as (port, _):
        assert await drip(port, first, drop)
        assert b"abc!" in await exchange(port, last("/echo", b"abc"))


async def test_who_does_not_take_the_answer_is_cut() -> None:
    async def flood(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)

    shop = Shop()
    shop.application = lambda: cut_off(flood)  # type: ignore[method-assign]
    ended = asyncio.Event()

    def cut_off(app):
        async def application(scope, receive, send) -> None:
            flooding = asyncio.ensure_future(app(scope, receive, send))
            try:
                while (await receive())["type"] != "http.disconnect":
                    pass
                ended.set()
            finally:
                flooding.cancel()

        return application

    async with running(shop, header_seconds=0.3, request_seconds=0.5) as (port, _):
        # The reader is kept: a forgotten one would close the connection from this side.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(ended.wait(), 10)
        assert not reader.at_eof()
        writer.close()


async def test_a_half_closed_peer_is_answered() -> None:
    async with running(Shop()) as (port, _):
        assert b"abc!" in await exchange(port, last("/echo", b"abc"), half_close=True)


async def test_a_peer_that_leaves_in_the_middle_costs_nothing() -> None:
    shop = Shop()
    async with running(shop) as (port, _):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /echo HTTP/1.1\r\nContent-Length: 900\r\n\r\nhalf")
        await asyncio.sleep(0.05)
        writer.transport.abort()
        assert b"abc!" in await exchange(port, last("/echo", b"abc"))
    assert shop.bodies == [b"abc"]


@pytest.mark.parametrize(
    "start",
    [
        f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {HUGE}\r\n\r\n".encode(),
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"400\r\n"
        + b"x" * 1024
        + b"\r\n",
    ],
    ids=["with length", "without length"],
)
async def test_too_large_is_said_before_the_body_came(start: bytes) -> None:
    shop = Shop()
    async with running(shop, header_seconds=0.4) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(start)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 413")
        assert await asyncio.wait_for(reader.read(), 10)  # closed soon after, unasked
        writer.close()
    assert shop.bodies == []


@pytest.mark.parametrize("size", [0, 1, MAX_BYTES - 1, MAX_BYTES])
@pytest.mark.parametrize("chunked", [False, True])
async def test_up_to_the_limit_is_read(size: int, chunked: bool) -> None:
    shop, body = Shop(), b"x" * size
    request = last("/echo", body)
    if chunked:
        head = b"POST /echo HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = f"{size:x}\r\n".encode() + body + b"\r\n" if size else b""
        request = head + chunk + b"0\r\n\r\n"
    async with running(shop) as (port, _):
        await exchange(port, request[:50], request[50:])
    assert shop.bodies == [body]


@pytest.mark.parametrize(
    ("path", "status", "code", "detail"),
    [
        ("/refuse", b"402", InsufficientBalance.code, "5 short"),
        ("/fail", b"500", ServerFault.code, ""),
    ],
)
async def test_errors_are_typed_on_the_wire(
    path: str, status: bytes, code: int, detail: str
) -> None:
    async with running(Shop()) as (port, _):
        said = await exchange(port, last(path, b""))
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert msgspec.msgpack.decode(body) == {"code": code, "detail": detail}
    assert b"secret" not in said


async def test_a_413_carries_its_code() -> None:
    async with running(Shop()) as (port, _):
        said = await exchange(port, last("/echo", b"x" * (MAX_BYTES + 1)))
    body = msgspec.msgpack.decode(said.partition(b"\r\n\r\n")[2])
    assert body["code"] == MessageTooLarge.code


async def test_stopping_finishes_what_is_under_way() -> None:
    shop = Shop()
    async with running(shop) as (port, stop):
        answer = asyncio.ensure_future(exchange(port, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"))
        await shop.entered.wait()
        stop.set()
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)
        shop.release.set()
        assert (await answer).endswith(b"waited")


async def test_stopping_does_not_wait_for_ever() -> None:
    shop = Shop()
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    server = asyncio.ensure_future(
        serve(
            shop.application(),
            "127.0.0.1",
            0,
            on_started=port.set_result,
            stop=stop,
            stop_seconds=1,
        )
    )
    answer = asyncio.ensure_future(exchange(await port, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"))
    await shop.entered.wait()
    stop.set()
    await asyncio.wait_for(server, 20)
    assert b"waited" not in await answer


async def test_a_taken_port_is_said() -> None:
    async with running(Shop()) as (port, _):
        with pytest.raises(PortInUse):
            await serve(
                Shop().application(),
                "127.0.0.1",
                port,
                on_started=lambda _port: None,
                stop=asyncio.Event(),
            )
