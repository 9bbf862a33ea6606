"""A server of a test's own on a free loopback port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

READ_MAX_BYTES = 64 * 1024
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


@asynccontextmanager
async def listening(serve: Serve, limit: int = READ_MAX_BYTES) -> AsyncIterator[str]:
    """Its address. `serve` is called for each connection, and cancelled at the end."""
    tasks: set[asyncio.Task[object]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> object:
        return await serve(reader, writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(served(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=limit)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
