"""The same bytes without sealing: a file server and a relay on the programs' own server class.

Started by `bench.delivery` as `python -m bench.plain file PATH` and `... relay ADDRESS`; prints
the port. The relay forwards as the broker does: one request there for each request here.
"""

import asyncio
import os
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veilmart.errors import MerchantUnreachable
from veilmart.limits import PIECE_BYTES
from veilmart.terminal.memory import keep_freed_memory
from veilmart.transport.client import HttpClient
from veilmart.transport.server import serve

ROUTE = "/v1/piece"
ANSWER_MAX_BYTES = 2 * PIECE_BYTES


def file_app(path: str) -> Starlette:
    """Piece n of the file for a body that holds n in 8 bytes."""
    descriptor = os.open(path, os.O_RDONLY)

    async def piece(request: Request) -> Response:
        index = int.from_bytes(await request.body(), "little")
        data = await asyncio.to_thread(os.pread, descriptor, PIECE_BYTES, index * PIECE_BYTES)
        return Response(data, media_type="application/octet-stream")

    return Starlette(routes=[Route(ROUTE, piece, methods=["POST"])])


def relay_app(address: str) -> Starlette:
    client = HttpClient(address, MerchantUnreachable)

    async def piece(request: Request) -> Response:
        body = await client.post(ROUTE, await request.body(), max_bytes=ANSWER_MAX_BYTES)
        return Response(body, media_type="application/octet-stream")

    return Starlette(routes=[Route(ROUTE, piece, methods=["POST"])])


async def run(kind: str, target: str) -> None:
    app = file_app(target) if kind == "file" else relay_app(target)
    await serve(
        app,
        "127.0.0.1",
        0,
        on_started=lambda port: print(port, flush=True),
        stop=asyncio.Event(),
    )


if __name__ == "__main__":
    keep_freed_memory()
    asyncio.run(run(*sys.argv[1:]))
