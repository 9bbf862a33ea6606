"""Delivery of a 256 MiB product merchant → broker → customer, against the same bytes unsealed.

Sealed: from the payment to the finished file, through the real programs. Unsealed: the same
pieces over the same kind of stream through two servers of the same class (`bench.plain`), as many
in flight, into a file that is finished the same way. Both are measured in turns in one run.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

from bench.plain import ANSWER_MAX_BYTES, ROUTE
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.events import Event, FileSaved, PaymentHeld
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.demo.processes import Server, environment, run_command
from veilmart.errors import BrokerUnreachable
from veilmart.limits import PIECE_BYTES, SEGMENTS_IN_FLIGHT
from veilmart.protocol.address import parse_link
from veilmart.storage.files.partial_file import PartialFile
from veilmart.terminal.memory import keep_freed_memory
from veilmart.transport.stream_client import StreamClient

PRODUCT_BYTES = 256 * 1024 * 1024
ROUNDS = 5
REACH = 0.7


class Stopwatch:
    """Seconds from the payment to the finished file."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, PaymentHeld):
            self.began = time.perf_counter()
        elif isinstance(event, FileSaved):
            self.ended = time.perf_counter()


@asynccontextmanager
async def plain_server(*words: str) -> AsyncIterator[str]:
    """A child process that runs `bench.plain`; its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.plain",
        *words,
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        yield f"127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


async def fetch_plain(client: StreamClient, out: Path, size: int) -> float:
    """Seconds to fetch all pieces, a few at a time, into a finished file."""
    began = time.perf_counter()
    waiting = iter(range(-(-size // PIECE_BYTES)))
    parts: dict[int, bytes] = {}
    turn = asyncio.Condition()
    following = 0
    with PartialFile(out, "plain.bin") as partial:

        async def work() -> None:
            nonlocal following
            for index in waiting:
                body = index.to_bytes(8, "little")
                part = await client.post(ROUTE, body, max_bytes=ANSWER_MAX_BYTES)
                async with turn:
                    parts[index] = part
                    while following in parts:
                        await asyncio.to_thread(partial.write, parts.pop(following))
                        following += 1

        await asyncio.gather(*(work() for _ in range(SEGMENTS_IN_FLIGHT)))
        path = await asyncio.to_thread(partial.finish)
    seconds = time.perf_counter() - began
    assert path.stat().st_size == size
    path.unlink()
    return seconds


async def buy(shopper: Shopper, menu: Menu, watch: Stopwatch, out: Path, size: int) -> float:
    bought = await shopper.buy(menu, menu.products[0], out)
    assert bought.path.stat().st_size == size
    bought.path.unlink()
    return watch.ended - watch.began


@asynccontextmanager
async def sealed_market(
    folder: Path, goods: Path
) -> AsyncIterator[tuple[Shopper, Menu, Stopwatch]]:
    """The real programs with one customer who has money."""
    broker_home, merchant_home = str(folder / "broker"), str(folder / "merchant")
    async with AsyncExitStack() as stack:
        await run_command("broker", "init", "--home", broker_home)
        broker = await stack.enter_async_context(
            Server("broker", "run", "--home", broker_home, "--port", "0")
        )
        at_home = ("--home", merchant_home)
        await run_command("merchant", "init", "--broker", broker.url, "--yes", *at_home)
        await run_command("merchant", "add", str(goods), "--price", "1.00", "--alone", *at_home)
        merchant = await stack.enter_async_context(
            Server("merchant", "run", "--port", "0", *at_home)
        )
        await run_command(
            "broker", "merchant", "admit", merchant.url, "--yes", "--home", broker_home
        )
        await merchant.wait_for_line("authenticated")
        link = (await run_command("merchant", "link", *at_home)).split()[0]
        watch = Stopwatch()
        wallet = open_wallet(folder / "customer", lambda: int(time.time()), os.urandom)
        shopper = await connect(wallet, link, observe=watch)
        stack.push_async_callback(wallet.aclose)
        stack.push_async_callback(shopper.aclose)
        await shopper.account.register("bench", "bench password")
        await run_command("broker", "credit", "bench", "1000", "--home", broker_home)
        merchant_print = parse_link(link).merchant
        assert merchant_print is not None
        yield shopper, await shopper.browse(merchant_print), watch


async def measure(size: int) -> tuple[list[float], list[float]]:
    """Seconds of each round: (sealed, unsealed)."""
    sealed, plain = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        goods = folder / "goods"
        goods.mkdir()
        with (goods / "big.bin").open("wb") as stream:
            for _ in range(-(-size // PIECE_BYTES)):
                stream.write(os.urandom(PIECE_BYTES))
            stream.truncate(size)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            shopper, menu, watch = await enter(sealed_market(folder, goods))
            origin = await enter(plain_server("file", str(goods / "big.bin")))
            relay = await enter(plain_server("relay", origin))
            client = await enter(StreamClient(relay, BrokerUnreachable))
            for _ in range(ROUNDS):
                plain.append(await fetch_plain(client, folder / "out", size))
                sealed.append(await buy(shopper, menu, watch, folder / "out", size))
    return sealed, plain


def rows(size: int = PRODUCT_BYTES) -> list[dict[str, object]]:
    """One row: the ratio of the rates of each round, its median and spread; both in MB/s."""
    keep_freed_memory()
    sealed, plain = asyncio.run(measure(size))
    ours, theirs = median(sealed), median(plain)
    ratios = [other / own for own, other in zip(sealed, plain, strict=True)]
    return [
        {
            "name": f"delivery of {size // 1024**2} MiB / the same unsealed",
            "ratio": round(median(ratios), 3),
            "spread": [round(min(ratios), 3), round(max(ratios), 3)],
            "reach": REACH,
            "ours_mb_per_s": round(size / ours / 1e6, 1),
            "theirs_mb_per_s": round(size / theirs / 1e6, 1),
        }
    ]


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) * 1024**2 if len(sys.argv) > 1 else PRODUCT_BYTES):
        print(row)
