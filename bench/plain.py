"""The same bytes without sealing: a file server and a relay on the programs' own streams.

Started by `bench.delivery` as `python -m bench.plain file PATH` and `... relay ADDRESS`; prints
the port. The relay forwards as the broker does: one request there for each request here.
"""

import asyncio
import os
import sys

import uvloop

from veilmart.errors import MerchantUnreachable
from veilmart.limits import PIECE_BYTES
from veilmart.terminal.memory import keep_freed_memory
from veilmart.transport.frame_exchange import Answered
from veilmart.transport.routes import Post, Routes
from veilmart.transport.server import serve
from veilmart.transport.stream_client import StreamClient

ROUTE = "/v1/request"
QUESTION_MAX_BYTES = 8
ANSWER_MAX_BYTES = 2 * PIECE_BYTES


def file_routes(path: str) -> Routes:
    """Piece n of the file for a body that holds n in 8 bytes."""
    descriptor = os.open(path, os.O_RDONLY)

    async def piece(body: bytes, _owner: str) -> Answered:
        at = int.from_bytes(body, "little") * PIECE_BYTES
        return b"", await asyncio.to_thread(os.pread, descriptor, PIECE_BYTES, at)

    return Routes({ROUTE: Post(piece, QUESTION_MAX_BYTES)}, [])


def relay_routes(address: str) -> Routes:
    client = StreamClient(address, MerchantUnreachable)

    async def piece(body: bytes, _owner: str) -> Answered:
        return b"", await client.post(ROUTE, body, max_bytes=ANSWER_MAX_BYTES)

    return Routes({ROUTE: Post(piece, QUESTION_MAX_BYTES)}, [])


async def run(kind: str, target: str) -> None:
    routes = file_routes(target) if kind == "file" else relay_routes(target)
    await serve(
        routes,
        "127.0.0.1",
        0,
        on_started=lambda port: print(port, flush=True),
        stop=asyncio.Event(),
    )


if __name__ == "__main__":
    keep_freed_memory()
    uvloop.run(run(*sys.argv[1:]))
