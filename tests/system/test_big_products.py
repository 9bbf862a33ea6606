"""A big product, cut again and again: it arrives, with little memory, little fetched twice."""

import asyncio
import hashlib
import os
import random
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.system.cutting_proxy import CuttingProxy, cutting_proxy
from veilmart.crypto.padding import shelf_bytes
from veilmart.demo.processes import Server, command_line, environment, run_command
from veilmart.limits import SEGMENTS_IN_FLIGHT
from veilmart.protocol.address import parse_link
from veilmart.protocol.parcel import piece_count, segment_length

MIB = 1024 * 1024
PACKING_SECONDS = 1800  # of 2 GiB, on however busy a machine
PEAK_MAX_BYTES = 150 * MIB
# Answers, their cells and HTTP headers beside the segments.
FRAME_BYTES = 4096


@dataclass
class Outcome:
    """peaks: largest resident size of each party, bytes. cuts: how many took place."""

    cuts: int
    received: int
    peaks: dict[str, int]
    lines: list[str]


def peak_bytes(pid: int) -> int:
    """VmHWM: the largest resident size so far; 0 when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    rows = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(rows[0].split()[1]) * 1024 if rows else 0


def write_product(path: Path, size: int) -> str:
    """Bytes that do not repeat; their SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for _ in range(size // MIB):
            block = os.urandom(MIB)
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


class Customer:
    """One wallet's commands, the peak of their memory, and their lines."""

    def __init__(self, home: Path, out: Path) -> None:
        self.home, self.out = home, out
        self.peak = self.cuts = 0
        self.lines: list[str] = []

    async def attempt(self, proxy: CuttingProxy, gaps: deque[int]) -> bool:
        """`buy`, or `sync` once it has begun; whether it came to its end.

        gaps: bytes until each next cut. Every other cut also kills the process; after the rest
        it goes on by itself, into the next one.
        """
        words = ("sync",) if self.lines else ("buy", "big.bin", "--yes", "--out", str(self.out))
        process = await asyncio.create_subprocess_exec(
            *command_line("customer", *words, "--home", str(self.home)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(),
        )

        def strike() -> None:
            self.peak = max(self.peak, peak_bytes(process.pid))
            self.cuts += 1
            if self.cuts % 2 and process.returncode is None:
                process.kill()
            elif gaps:
                proxy.cut_after(gaps.popleft(), strike)

        if gaps:
            proxy.cut_after(gaps.popleft(), strike)
        watching = asyncio.create_task(self._watch(process.pid))
        assert process.stdout is not None
        async for line in process.stdout:
            self.lines.append(line.decode().rstrip())
        code = await process.wait()
        watching.cancel()
        self.lines.append(f"exit {code}")
        return code == 0

    async def _watch(self, pid: int) -> None:
        while True:
            self.peak = max(self.peak, peak_bytes(pid))
            await asyncio.sleep(0.05)


async def deliver_with_cuts(folder: Path, size: int, cuts: int, seed: int) -> Outcome:
    """Sell one product of `size` bytes and cut its delivery at random moments."""
    goods = folder / "goods"
    goods.mkdir()
    digest = write_product(goods / "big.bin", size)
    broker_home, merchant_home = str(folder / "broker"), str(folder / "merchant")
    Path(broker_home).mkdir()
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        broker = await enter(Server("broker", "run", "--home", broker_home, "--port", "0"))
        at_home = ("--home", merchant_home)
        await run_command("merchant", "init", "--broker", broker.url, "--yes", *at_home)
        words = ("merchant", "add", str(goods), "--alone", "--price", "5.00", *at_home)
        await run_command(*words, seconds=PACKING_SECONDS)
        merchant = await enter(Server("merchant", "run", "--port", "0", *at_home))
        await run_command(
            "broker", "merchant", "admit", merchant.url, "--yes", "--home", broker_home
        )
        await merchant.wait_for_line("authenticated")
        link = parse_link((await run_command("merchant", "link", *at_home)).split()[0])
        proxy = await enter(cutting_proxy(link.host, link.port))
        home = folder / "customer"
        shown = str(replace(link, port=proxy.port))
        await run_command("customer", "join", shown, "--yes", "--home", str(home))
        await run_command(
            "customer",
            "register",
            "mia",
            "--password-file",
            "-",
            "--home",
            str(home),
            secret="long enough\n",
        )
        await run_command("broker", "credit", "mia", "100", "--home", broker_home)
        proxy.received = 0
        customer = Customer(home, folder / "out")
        stored = shelf_bytes(size + 100)
        total = sum(segment_length(stored, i) for i in range(piece_count(stored)))
        moments = sorted(rng.uniform(0, total) for _ in range(cuts))
        # A killed process has to get past the handshakes first, hence a little more.
        gaps = deque(
            int(moment - before) + 64 * 1024
            for before, moment in zip([0.0, *moments], moments, strict=False)
        )
        while not await customer.attempt(proxy, gaps):
            assert len(customer.lines) < 50 * (cuts + 4), customer.lines[-20:]
        peaks = {
            "broker": peak_bytes(broker.pid),
            "merchant": peak_bytes(merchant.pid),
            "customer": customer.peak,
        }
    with (folder / "out" / "big.bin").open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == digest
    assert [path.name for path in (folder / "out").iterdir()] == ["big.bin"]
    again = customer.cuts * SEGMENTS_IN_FLIGHT
    frames = (piece_count(stored) + again) * FRAME_BYTES
    allowed = total + again * segment_length(stored, 0) + frames + (customer.cuts + 4) * 128 * 1024
    assert proxy.received <= allowed, (proxy.received - total) / MIB
    assert all(peak <= PEAK_MAX_BYTES for peak in peaks.values()), peaks
    return Outcome(customer.cuts, proxy.received, peaks, customer.lines)


async def test_a_product_cut_three_times_arrives(tmp_path: Path) -> None:
    outcome = await deliver_with_cuts(tmp_path, 12 * MIB, 3, seed=1)
    assert outcome.cuts == 3


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A folder that is not in memory: several times 2 GiB go there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.mark.long
async def test_2_gib_arrive_with_little_memory_and_rate_and_time_left(on_disk: Path) -> None:
    outcome = await deliver_with_cuts(on_disk, 2048 * MIB, 0, seed=2)
    assert any("MB/s" in line and "left" in line for line in outcome.lines), outcome.lines
    print(outcome.peaks)


@pytest.mark.long
async def test_2_gib_cut_100_times_arrive(on_disk: Path) -> None:
    outcome = await deliver_with_cuts(on_disk, 2048 * MIB, 100, seed=3)
    assert outcome.cuts >= 90
    print(outcome.peaks, outcome.received)
