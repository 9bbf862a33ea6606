"""A TCP proxy between customer and broker that counts, slows down, and cuts at a given byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

BLOCK_BYTES = 64 * 1024


class CuttingProxy:
    """port: where it listens. received: bytes that went to the customer so far."""

    def __init__(self, host: str, port: int, bytes_per_second: float | None) -> None:
        self.received = 0
        self.port = 0
        self._target = (host, port)
        self._rate = bytes_per_second
        self._cut_at: int | None = None
        self._on_cut: Callable[[], None] = lambda: None
        self._writers: set[asyncio.StreamWriter] = set()

    def cut_after(self, count: int, on_cut: Callable[[], None]) -> None:
        """Once `count` more bytes went to the customer: call, and drop every connection."""
        self._cut_at, self._on_cut = self.received + count, on_cut

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, back}
        up = asyncio.create_task(self._pump(reader, back, False))
        try:
            await self._pump(there, writer, True)
        finally:
            up.cancel()
            self._writers -= {writer, back}
            writer.close()
            back.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: bool
    ) -> None:
        try:
            while block := await reader.read(BLOCK_BYTES):
                if counted:
                    self.received += len(block)
                    if self._cut_at is not None and self.received >= self._cut_at:
                        self._cut()
                        return
                    if self._rate is not None:
                        await asyncio.sleep(len(block) / self._rate)
                writer.write(block)
                await writer.drain()
        except OSError:
            return

    def _cut(self) -> None:
        self._cut_at = None
        self._on_cut()
        self.drop_all()

    def drop_all(self) -> None:
        """End every connection."""
        for writer in list(self._writers):
            writer.transport.abort()


@asynccontextmanager
async def cutting_proxy(
    host: str, port: int, bytes_per_second: float | None = None
) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(host, port, bytes_per_second)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.drop_all()
