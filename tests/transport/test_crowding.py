"""Whom a crowded server cuts, and that an address with many connections loses its own."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass

from tests.transport.shop import Shop, running
from veilmart.limits import CONNECTIONS_MAX, STREAMS_MAX
from veilmart.transport.crowding import to_cut
from veilmart.transport.open_files import FILES_BESIDE


@dataclass(frozen=True)
class Peer:
    owner: str
    waiting_since: float | None


def test_the_longest_waiting_of_the_largest_owner_goes() -> None:
    many = [Peer("many", float(n)) for n in range(10)]
    few = [Peer("few", -5.0), Peer("few", -6.0)]
    assert to_cut([*many, *few], 3) == many[:3]


def test_owners_end_up_equally_large() -> None:
    peers = [Peer(owner, float(n)) for owner in ("a", "b") for n in range(6)]
    peers += [Peer("c", 0.0)]
    cut = to_cut(peers, 8)
    assert sorted(peer.owner for peer in cut) == ["a"] * 4 + ["b"] * 4


def test_who_is_being_answered_stays() -> None:
    assert to_cut([Peer("a", None)] * 5, 3) == []


def test_no_more_than_there_are() -> None:
    assert to_cut([Peer("a", 1.0)], 3) == [Peer("a", 1.0)]
    assert to_cut([], 3) == []


async def connect(port: int, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server has cut the connection; half a second is long enough for a yes."""
    try:
        async with asyncio.timeout(0.5):
            return await reader.read(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    await writer.drain()
    head, _, _body = (await reader.readuntil(b"hi!")).partition(b"\r\n")
    return head.split()[1]


async def test_a_crowd_from_one_address_is_cut_and_others_are_served() -> None:
    async with running(Shop(), connections_max=8) as (port, _stop):
        kept = await connect(port, "127.0.0.1")
        assert await answer(*kept) == b"200"
        crowd = [await connect(port, "127.0.0.66") for _ in range(30)]
        for _reader, writer in crowd:
            writer.write(b"POST /echo HTTP/1.1\r\nX-Slow: ")
        fresh = await connect(port, "127.0.0.1")
        assert await answer(*fresh) == b"200"
        assert await answer(*kept) == b"200", "the one that was there before"
        cut = [await ended(reader) for reader, _writer in crowd[:20]]
        assert all(cut)
        for _reader, writer in (kept, fresh, *crowd):
            writer.close()


async def test_a_burst_of_newcomers_cuts_no_more_than_it_has_to() -> None:
    """All arrive before the event loop tells of a single cut connection."""
    async with running(Shop(), connections_max=16) as (port, _stop):
        kept = [await connect(port, "127.0.0.1") for _ in range(2)]
        for each in kept:
            assert await answer(*each) == b"200"
        burst = await asyncio.gather(*(connect(port, "127.0.0.66") for _ in range(60)))
        await asyncio.sleep(0.1)
        for each in kept:
            assert await answer(*each) == b"200"
        gone = sum(await asyncio.gather(*(ended(reader) for reader, _writer in burst)))
        assert 60 - 16 <= gone < 60
        for _reader, writer in (*kept, *burst):
            writer.close()


async def test_an_answer_under_way_is_not_cut() -> None:
    shop = Shop()
    async with running(shop, connections_max=4) as (port, _stop):
        reader, writer = await connect(port, "127.0.0.66")
        writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await shop.entered.wait()
        crowd = [await connect(port, "127.0.0.66") for _ in range(12)]
        await asyncio.sleep(0.05)
        shop.release.set()
        assert (await reader.readuntil(b"\r\n")).split()[1] == b"200"
        for _reader, each in ((reader, writer), *crowd):
            each.close()


def allowed(soft: int, hard: int) -> tuple[int, int, int]:
    """Connections, streams, and the soft limit afterwards, in a process with these limits."""
    program = (
        "import resource as r;"
        "from veilmart.transport.open_files import connections_allowed, streams_allowed;"
        f"r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}));"
        "print(connections_allowed(), streams_allowed(), r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    most, streams, limit = done.stdout.split()
    return int(most), int(streams), int(limit)


def test_connections_by_what_the_system_lets_us_open() -> None:
    wanted = CONNECTIONS_MAX + STREAMS_MAX + FILES_BESIDE
    assert allowed(1024, wanted + 1) == (CONNECTIONS_MAX, STREAMS_MAX, wanted)
    assert allowed(1024, 8192) == (CONNECTIONS_MAX, 8192 - CONNECTIONS_MAX - FILES_BESIDE, 8192)
    assert allowed(1024, 1024) == (256, 256, 1024)
    assert allowed(256, 256) == (64, 64, 256)
