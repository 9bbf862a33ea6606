"""What strangers do to a broker over streams."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.hostile.raw import ADDRESS, Counts, descriptor_of, hello
from tests.hostile.workers import many
from tests.support.streaming import RawPeer
from veilmart.crypto.suite import suite_by_id
from veilmart.limits import STREAM_FRAMES_MAX, STREAM_PINGS_MAX
from veilmart.protocol.address import Link
from veilmart.protocol.stream_frames import STREAM_PATH, Kind, encode_frame

IN_FLIGHT = 10_000
UNREAD_STREAMS = 200
PINGING_STREAMS = 100
DIALLING_STREAMS = 32
CHEAP = 1  # suite
SMALL_BUFFER_BYTES = 4096


@asynccontextmanager
async def stream(link: Link, *, reads: bool = True) -> AsyncIterator[RawPeer]:
    """A stream from the attackers' address. reads: False to have the system take little, too."""
    raw = socket.socket()
    raw.setblocking(False)
    if not reads:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    raw.bind((ADDRESS, 0))
    await asyncio.get_running_loop().sock_connect(raw, (link.host, link.port))
    limit = 64 * 1024 if reads else SMALL_BUFFER_BYTES
    reader, writer = await asyncio.open_connection(sock=raw, limit=limit)
    address = f"ws://{link.host}:{link.port}{STREAM_PATH}"
    peer = RawPeer(reader, writer, ClientProtocol(parse_uri(address), max_size=4 << 20))
    try:
        peer.websocket.send_request(peer.websocket.connect())
        peer.flush()
        while peer.response is None:
            if not await peer.read():
                raise ConnectionError
        yield peer
    finally:
        writer.transport.abort()


async def unread(link: Link, counts: Counts, seconds: float) -> None:
    """Questions with long answers that nobody takes."""
    question = b"/v1/descriptor"

    async def ask(link: Link, counts: Counts, ends: float) -> None:
        async with stream(link, reads=False) as peer:
            counts["opened"] += 1
            for number in range(STREAM_FRAMES_MAX - 1):
                if peer.writer.is_closing():
                    break
                peer.send(encode_frame(number, Kind.GET, question))
                counts["asked"] += 1
            while not peer.writer.is_closing():
                await asyncio.sleep(0.5)

    await many(ask, UNREAD_STREAMS, link, counts, seconds)


async def pings(link: Link, counts: Counts, seconds: float) -> None:
    """Pings without end, and new streams when they are ended for it."""

    async def ping(link: Link, counts: Counts, ends: float) -> None:
        async with stream(link) as peer:
            for _ in range(10 * STREAM_PINGS_MAX):
                peer.websocket.send_ping(b"")
                counts["sent"] += 1
            peer.flush()
            code = await peer.closed()
            counts[f"ended with {code}"] += 1

    await many(ping, PINGING_STREAMS, link, counts, seconds)


async def in_flight(link: Link, counts: Counts, seconds: float) -> None:
    """Ten thousand questions that wait for their answers, on as few streams as they fit."""
    body, _initiator = hello(await descriptor_of(link), suite_by_id(CHEAP))
    each = STREAM_FRAMES_MAX - 6

    async def ask(link: Link, counts: Counts, ends: float) -> None:
        async with stream(link) as peer:
            for number in range(each):
                peer.send(encode_frame(number, Kind.SESSION, body))
            counts["asked"] += each
            number = each
            while True:
                _number, kind, _body = await peer.next(seconds=30)
                counts["made" if kind == Kind.ANSWER else "refused"] += 1
                peer.send(encode_frame(number, Kind.SESSION, body))
                counts["asked"] += 1
                number += 1

    await many(ask, IN_FLIGHT // each, link, counts, seconds)


async def dials(link: Link, counts: Counts, seconds: float) -> None:
    """Dials in the merchant's name and in strangers', again on the same stream and anew."""

    async def dial(link: Link, counts: Counts, ends: float) -> None:
        async with stream(link) as peer:
            for number in range(4):
                name = os.urandom(32) if number == 3 else link.merchant or bytes(32)
                peer.send(encode_frame(number, Kind.DIAL, name + os.urandom(16)))
                counts["dialled"] += 1
            while True:
                number, kind, _body = await peer.next()
                if kind == Kind.LINK:
                    counts["asked who they are"] += 1
                    peer.send(encode_frame(number, Kind.ANSWER, os.urandom(2000)))
                else:
                    counts["refused" if kind == Kind.ERROR else "TAKEN"] += 1
                    if counts["refused"] % 4 == 0:
                        return

    await many(dial, DIALLING_STREAMS, link, counts, seconds)
