"""A SOCKS 5 server on loopback (RFC 1928 with the username and password of RFC 1929)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

VERSION, WITH_PASSWORD, CONNECT = 5, 2, 1
BY_IPV4, BY_NAME = 1, 3
REFUSED = 5


@dataclass
class SocksServer:
    """port: where it listens. seen: (username, password, host, port) of every connection asked for.

    names: what the server resolves, so that a test can tell who resolved it.
    """

    port: int = 0
    seen: list[tuple[str, str, str, int]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        assert version == VERSION
        assert WITH_PASSWORD in methods
        writer.write(bytes((VERSION, WITH_PASSWORD)))
        await reader.readexactly(1)
        username = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        password = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        writer.write(b"\x01\x00")
        _, command, _, kind = await reader.readexactly(4)
        assert command == CONNECT
        if kind == BY_IPV4:
            host = ".".join(str(part) for part in await reader.readexactly(4))
        else:
            assert kind == BY_NAME
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.seen.append((username, password, host, port))
        nothing = bytes((BY_IPV4, 0, 0, 0, 0, 0, 0))
        try:
            inner, outer = await asyncio.open_connection(self.names.get(host, host), port)
        except OSError:
            writer.write(bytes((VERSION, REFUSED, 0)) + nothing)
            await writer.drain()
            return
        writer.write(bytes((VERSION, 0, 0)) + nothing)
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while block := await source.read(65536):
            sink.write(block)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def socks_server() -> AsyncIterator[SocksServer]:
    found = SocksServer()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
