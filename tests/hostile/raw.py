"""Attackers' tools: HTTP over bare sockets from an address of their own, and real handshakes."""

import asyncio
import os
from collections import Counter

from veilmart.crypto.suite import Suite
from veilmart.protocol import handshake, labels
from veilmart.protocol.address import Link
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor

ADDRESS = "127.0.0.66"  # loopback, but not the one that honest customers come from
ANSWER_MAX_BYTES = 4 * 1024 * 1024
Counts = Counter[str]


class Raw:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, link: Link) -> "Raw":
        return cls(
            *await asyncio.open_connection(
                link.host, link.port, local_addr=(ADDRESS, 0), limit=ANSWER_MAX_BYTES
            )
        )

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        lengths = [line.split(b":")[1] for line in lines if line.startswith(b"content-length")]
        body = await self.reader.readexactly(int(lengths[0])) if lengths else b""
        return int(head.split()[1]), body

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        await self.send(head.encode() + body)
        return await self.answer()

    def close(self) -> None:
        self.writer.transport.abort()


async def descriptor_of(link: Link) -> SignedDescriptor:
    """The broker's, as anybody can fetch it."""
    raw = await Raw.open(link)
    await raw.send(b"GET /v1/descriptor HTTP/1.1\r\nHost: x\r\n\r\n")
    _status, body = await raw.answer()
    raw.close()
    return read_descriptor(body)


def hello(descriptor: SignedDescriptor, suite: Suite) -> tuple[bytes, handshake.CertifiedInitiator]:
    """The body of a handshake with the broker, and what can finish it."""
    prologue = handshake.prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, descriptor.hash)
    key = descriptor.descriptor.tunnel_key(suite)
    initiator = handshake.CertifiedInitiator(suite, prologue, key, os.urandom)
    return bytes([suite.id]) + descriptor.hash + initiator.message1, initiator


async def shake_hands(
    raw: Raw, descriptor: SignedDescriptor, suite: Suite
) -> handshake.SessionKeys | None:
    """A session, or None when it was refused."""
    body, initiator = hello(descriptor, suite)
    status, answer = await raw.post("/v1/session", body)
    if status != 200:
        return None
    cut = handshake.SESSION_ID_BYTES
    return initiator.finish(answer[:cut], answer[cut:])
