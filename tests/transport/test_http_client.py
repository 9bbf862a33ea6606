"""The client against servers that are absent, slow, wordy or wrong."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from tests.transport.shop import MAX_BYTES, Shop, running
from veilmart.errors import (
    BrokerUnreachable,
    DescriptorUnknown,
    MerchantUnreachable,
    MessageTooLarge,
    ServerBusy,
    ServerFault,
    UnsignedAnswer,
    VeilmartError,
)
from veilmart.transport.client import HttpClient


@asynccontextmanager
async def saying(*blocks: bytes, pause_seconds: float = 0.0, close: bool = True):
    """A server that says the same to everybody; yields its port and the requests' bytes."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            for block in blocks:
                writer.write(block)
                await writer.drain()
                await asyncio.sleep(pause_seconds)
            if not close:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            heard.append(b"gone")
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()


def client(port: int, **options: float) -> HttpClient:
    return HttpClient(f"127.0.0.1:{port}", BrokerUnreachable, **options)  # type: ignore[arg-type]


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_connections_are_used_again() -> None:
    shop = Shop()
    async with running(shop) as (port, _), client(port) as http:
        for number in range(5):
            body = bytes([number]) * number
            assert await http.post("/echo", body, max_bytes=MAX_BYTES) == body + b"!"
        assert http.exchanges == 5
        assert len(http._session.connector._conns) == 1  # type: ignore[union-attr]
    assert len(shop.bodies) == 5


async def test_errors_that_the_server_names() -> None:
    async with running(Shop()) as (port, _), client(port) as http:
        with pytest.raises(UnsignedAnswer, match="4108"):
            await http.post("/refuse", b"", max_bytes=10)
        with pytest.raises(ServerFault):
            await http.post("/fail", b"", max_bytes=10)
        with pytest.raises(MessageTooLarge):
            await http.post("/echo", b"x" * (MAX_BYTES + 1), max_bytes=10)
        with pytest.raises(MessageTooLarge):
            await http.post("/echo", b"x" * 1_500_000, max_bytes=10)
        with pytest.raises(UnsignedAnswer):
            await http.get("/nowhere", max_bytes=10)
        assert await http.post("/echo", b"", max_bytes=10) == b"!"


@pytest.mark.parametrize(
    ("said", "more_to_come"),
    [
        (answer(b"x" * 11), False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"6\r\nxxxxxx\r\n" * 2, True),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 11, True),
        (answer(b"x" * 5000, "403 Forbidden"), False),
    ],
)
async def test_answers_are_bounded_while_reading(said: bytes, more_to_come: bool) -> None:
    async with saying(said, close=False) as (port, _), client(port) as http:
        with pytest.raises(MessageTooLarge):
            await http.get("/", max_bytes=10)
        if more_to_come:
            assert not http._session.connector._conns  # type: ignore[union-attr]


async def test_an_answer_of_exactly_the_limit() -> None:
    async with saying(answer(b"x" * 10)) as (port, _), client(port) as http:
        assert await http.get("/", max_bytes=10) == b"x" * 10


def named(code: object, detail: object) -> bytes:
    return msgspec.msgpack.encode({"code": code, "detail": detail})


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"\x16\x03\x01 garbage\r\n\r\n", UnsignedAnswer),
        (answer(b"not MessagePack", "403 Forbidden"), UnsignedAnswer),
        (answer(named(4108, "x"), "403 Forbidden"), UnsignedAnswer),  # a rule's refusal is sealed
        (answer(named(4116, "x"), "403 Forbidden"), DescriptorUnknown),
        (answer(named("4108", "x"), "403 Forbidden"), UnsignedAnswer),
        (answer(named(5101, "x"), "500 Bad"), UnsignedAnswer),  # ours alone to raise
        (answer(b"", "503 Service Unavailable"), ServerBusy),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", UnsignedAnswer),
        (b"", BrokerUnreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", BrokerUnreachable),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20_000 + b"\r\n\r\n", UnsignedAnswer),
    ],
)
async def test_wrong_answers_are_typed(said: bytes, error: type[VeilmartError]) -> None:
    async with saying(said) as (port, _), client(port) as http:
        with pytest.raises(error):
            await http.post("/x", b"body", max_bytes=10)


async def test_no_word_that_nobody_signed_is_shown() -> None:
    said = answer(named(4116, "a\x1b[2Jb\u202eYou have paid: transfer 5.00 to"), "403 Forbidden")
    async with saying(said) as (port, _), client(port) as http:
        with pytest.raises(DescriptorUnknown) as caught:
            await http.get("/", max_bytes=10)
    assert caught.value.detail == ""


async def test_an_unsigned_error_about_money_is_a_failure_of_the_network() -> None:
    """2112 would make the wallet say that the merchant signed a wrong key."""
    said = answer(named(2112, "x"), "400 Bad Request")
    async with saying(said) as (port, _), client(port) as http:
        with pytest.raises(UnsignedAnswer) as caught:
            await http.post("/v1/request", b"x", max_bytes=10)
    assert "signed this" not in caught.value.explain()


async def test_an_answer_that_comes_twice_is_one_answer() -> None:
    """The second one is nobody's: it is never taken for that to the next question."""
    twice = answer(b"first") + answer(b"second")
    async with saying(twice, close=False) as (port, heard), client(port) as http:
        for _ in range(2):
            assert await http.post("/x", b"", max_bytes=10) == b"first"
        assert len(heard) == 2


async def test_a_compressed_answer_is_taken_as_it_is() -> None:
    """Nothing is unpacked, so nothing can unpack to more than was read."""
    said = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nJUNK"
    async with saying(said) as (port, _), client(port) as http:
        assert await http.post("/x", b"", max_bytes=10) == b"JUNK"


async def test_silence_ends() -> None:
    async with saying(close=False) as (port, _), client(port, answer_seconds=0.2) as http:
        with pytest.raises(BrokerUnreachable, match="in time"):
            await http.get("/", max_bytes=10)


async def test_a_drip_ends() -> None:
    drops = [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", *[b"x"] * 300]
    async with (
        saying(*drops, pause_seconds=0.05) as (port, _),
        client(port, connect_seconds=0.2, answer_seconds=0.3) as http,
    ):
        with pytest.raises(BrokerUnreachable, match="in time"):
            await http.get("/", max_bytes=1000)


async def test_nobody_there() -> None:
    async with saying() as (port, _):
        pass
    async with HttpClient(f"127.0.0.1:{port}", MerchantUnreachable) as http:
        with pytest.raises(MerchantUnreachable):
            await http.get("/", max_bytes=10)
        assert http.exchanges == 0
    async with HttpClient("no-such-host.invalid:1", MerchantUnreachable) as http:
        with pytest.raises(MerchantUnreachable):
            await http.get("/", max_bytes=10)


async def test_requests_tell_nothing_about_the_client() -> None:
    async with saying(answer(b"")) as (port, heard), client(port) as http:
        await http.post("/v1/x", b"body", max_bytes=10)
    names = {line.split(b":")[0].lower() for line in heard[0].strip().split(b"\r\n")[1:]}
    assert names == {b"host", b"content-type", b"content-length"}


async def test_no_cookies_are_kept() -> None:
    said = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n"
    async with saying(said) as (port, heard), client(port) as http:
        await http.get("/", max_bytes=10)
        await http.get("/", max_bytes=10)
    assert len(heard) == 2
    assert b"ookie" not in b"".join(heard)
