"""Processor time of one question and answer of 1 KiB over a stream and by POST, both ends.

Server and client are processes of their own with the event loops that programs have; they take
turns in rounds, so that other work on the machine meets both.
"""

import asyncio
import os
import resource
import subprocess
import sys
from statistics import median
from typing import Any

from veilmart.errors import BrokerUnreachable
from veilmart.transport.client import HttpClient
from veilmart.transport.frame_exchange import Answered
from veilmart.transport.routes import Post, Routes
from veilmart.transport.server import serve
from veilmart.transport.stream_client import StreamClient

QUESTION_BYTES = 1096
ANSWER_BYTES = 1080
QUESTIONS = 1500
ROUNDS = 5
AT_ONCE = (1, 16)


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


async def _serve() -> None:
    answer = os.urandom(ANSWER_BYTES)

    async def respond(body: bytes, _owner: str) -> Answered:
        return (b"%f" % cpu_seconds(), None) if body == b"cpu" else (answer, None)

    routes = Routes({"/v1/request": Post(respond, 64 * 1024)}, [])
    tell = lambda port: print(port, flush=True)  # noqa: E731
    await serve(routes, "127.0.0.1", 0, on_started=tell, stop=asyncio.Event())


async def _ask(kind: type[StreamClient] | type[HttpClient], port: int, at_once: int) -> list[float]:
    """Microseconds of client and server for one question."""
    body = os.urandom(QUESTION_BYTES)
    async with kind(f"127.0.0.1:{port}", BrokerUnreachable) as client:

        async def work(count: int) -> None:
            for _ in range(count):
                await client.post("/v1/request", body, max_bytes=4096)

        async def spent() -> float:
            return float(await client.post("/v1/request", b"cpu", max_bytes=4096))

        await work(50)
        before = cpu_seconds(), await spent()
        await asyncio.gather(*(work(QUESTIONS // at_once) for _ in range(at_once)))
        after = cpu_seconds(), await spent()
    return [(end - begin) / QUESTIONS * 1e6 for begin, end in zip(before, after, strict=True)]


def rows() -> list[dict[str, Any]]:
    """One row for each number of questions at once: the stream's part of POST's time."""
    import uvloop

    server = subprocess.Popen(
        [sys.executable, "-m", "bench.streams", "serve"], stdout=subprocess.PIPE, text=True
    )
    found: list[dict[str, Any]] = []
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        for at_once in AT_ONCE:
            sums: dict[str, list[float]] = {"stream": [], "post": []}
            for _ in range(ROUNDS):
                for name, kind in (("stream", StreamClient), ("post", HttpClient)):
                    sums[name].append(sum(uvloop.run(_ask(kind, port, at_once))))
            ratios = [s / p for s, p in zip(sums["stream"], sums["post"], strict=True)]
            found.append(
                {
                    "name": f"question over a stream against POST, {at_once} at once",
                    "ratio": round(median(ratios), 2),
                    "spread": [round(min(ratios), 2), round(max(ratios), 2)],
                    "stream_us": round(median(sums["stream"])),
                    "post_us": round(median(sums["post"])),
                    "reach": 0.3,
                    "at_most": True,
                }
            )
    finally:
        server.terminate()
        server.wait()
    return found


if __name__ == "__main__":
    import uvloop

    if sys.argv[1:] == ["serve"]:
        uvloop.run(_serve())
    else:
        for row in rows():
            print(row)
