"""Ten thousand idle streams at one broker: memory of each, and honest purchases beside them.

`python -m bench.idle_streams [STREAMS [ROUNDS [SECONDS]]]`. The same market is measured with and
without them, in turns. The streams are held by a process of their own from another address.
"""

import asyncio
import resource
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from bench.purchases import CREDIT, Driver, market
from veilmart.demo.processes import environment, run_command
from veilmart.protocol.stream_frames import STREAM_PATH

STREAMS = 10_000
ROUNDS = 3
SECONDS = 8.0
CUSTOMERS, DRIVERS = 4, 1
ADDRESS = "127.0.0.77"  # loopback, but not the one that honest customers come from
AT_ONCE = 100
OPEN_SECONDS = 300


def memory_bytes(pid: int) -> int:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


async def hold(address: str, count: int) -> None:
    """Open that many streams, say so, and keep them until standard input ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, _, port = address.rpartition(":")
    room, held = asyncio.Semaphore(AT_ONCE), []

    async def one() -> None:
        async with room:
            reader, writer = await asyncio.open_connection(host, int(port), local_addr=(ADDRESS, 0))
            websocket = ClientProtocol(parse_uri(f"ws://{address}{STREAM_PATH}"))
            websocket.send_request(websocket.connect())
            writer.writelines(data for data in websocket.data_to_send() if data)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
            held.append(writer)

    await asyncio.gather(*(one() for _ in range(count)))
    print(len(held), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(sum(not writer.is_closing() for writer in held), flush=True)


class Crowd:
    """The process that holds the streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def gather(cls, address: str, count: int) -> "Crowd":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.idle_streams", "hold", address, str(count)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment(),
        )
        crowd = cls(process)
        assert await crowd._number(OPEN_SECONDS) == count
        return crowd

    async def _number(self, seconds: float) -> int:
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            return int(await self._process.stdout.readline())

    async def leave(self) -> int:
        """End; how many streams the broker had kept open."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        kept = await self._number(30)
        await self._process.wait()
        return kept


async def buy(link: str, folder: Path, turn: int, seconds: float) -> list[float]:
    """Durations of honest purchases, in seconds."""
    names = [f"honest{turn}-{number}" for number in range(CUSTOMERS)]
    driver = await Driver.start(link, folder, seconds, names)
    await driver.line()
    for name in names:
        await run_command("broker", "credit", name, CREDIT, "--home", str(folder / "broker"))
    await driver.go()
    await driver.line()
    await driver.go()
    durations: list[float] = (await driver.result())["durations"]
    return durations


def p99(durations: list[float]) -> float:
    return quantiles(durations, n=100)[98]


async def measure(streams: int, rounds: int, seconds: float) -> dict[str, Any]:
    alone, beside, each, kept = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            broker, _merchant, link = await market(folder, stack)
            await buy(link, folder, -1, 2.0)  # warm
            for turn in range(rounds):
                alone.append(p99(await buy(link, folder, 2 * turn, seconds)))
                before = memory_bytes(broker.pid)
                crowd = await Crowd.gather(broker.address, streams)
                each.append((memory_bytes(broker.pid) - before) / streams)
                beside.append(p99(await buy(link, folder, 2 * turn + 1, seconds)))
                kept.append(await crowd.leave())
                await asyncio.sleep(2)  # until the broker has let go of them
    ratios = [late / early for early, late in zip(alone, beside, strict=True)]
    return {
        # Memory that a first crowd has left behind is used again: only the first shows its size.
        "bytes_each": each[0],
        "ratio": median(ratios),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "p99_alone_ms": round(median(alone) * 1000, 1),
        "p99_beside_ms": round(median(beside) * 1000, 1),
        "kept_open": min(kept),
    }


def rows(
    streams: int = STREAMS, rounds: int = ROUNDS, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """Memory of a stream, and the 99th percentile of purchases beside them against without."""
    found = asyncio.run(measure(streams, rounds, seconds))
    ratio, size = found.pop("ratio"), found.pop("bytes_each")
    return [
        {
            "name": f"memory of each of {streams} idle streams at a broker",
            "figure": round(size / 1024, 1),
            "unit": "KiB",
            "reach": 20,
            "at_most": True,
        },
        {
            "name": f"99th percentile of purchases beside {streams} idle streams, against none",
            "ratio": round(ratio, 2),
            "reach": 1.5,
            "at_most": True,
            **found,
        },
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["hold"]:
        asyncio.run(hold(sys.argv[2], int(sys.argv[3])))
    else:
        kinds = (int, int, float)
        for row in rows(*(kind(word) for kind, word in zip(kinds, sys.argv[1:], strict=False))):
            print(row)
