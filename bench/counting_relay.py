"""Stands between two parties, passes every byte on, and counts the questions that went by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.frame_tap import FrameTap
from veilmart.protocol.stream_frames import decode_frame

_BLOCK_BYTES = 64 * 1024


@dataclass
class CountingRelay:
    """address: host:port to connect to. target: where bytes go. questions: POSTs and frames."""

    address: str = ""
    target: str = ""
    questions: int = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        host, _, port = self.target.rpartition(":")
        there, onwards = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(
                self._pass(reader, onwards, count=True), self._pass(there, writer, count=False)
            )
        except ConnectionError:
            return
        finally:
            onwards.close()
            writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool
    ) -> None:
        # Our client sends a request's head in one piece, and nothing ahead of its answer.
        tap = FrameTap(from_client=count)
        while block := await reader.read(_BLOCK_BYTES):
            if count:
                self.questions += block.startswith(b"POST /v1/")
                self.questions += sum(decode_frame(frame).asks for frame in tap.feed(block))
            writer.write(block)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def counting_relay() -> AsyncIterator[CountingRelay]:
    """A relay on a free port; set its `target` before anybody connects."""
    relay = CountingRelay()
    server = await asyncio.start_server(relay.carry, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    relay.address = f"{host}:{port}"
    try:
        yield relay
    finally:
        server.close()
