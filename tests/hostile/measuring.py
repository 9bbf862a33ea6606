"""A market of real programs, honest customers in a process of their own, attackers in another."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.support.programs import environment, run_command
from tests.support.shop_market import Market, running_market

CREDIT = "1000000"
WALLETS = 4
END_SECONDS = 120


class Seen(msgspec.Struct):
    """See `honest.Seen`."""

    visits: list[float]
    logins: list[float]
    failures: dict[str, int]


@dataclass(frozen=True)
class Memory:
    """MiB of broker and merchant: now, and the most since `forget_peak`."""

    broker: float
    merchant: float
    broker_peak: float
    merchant_peak: float


@dataclass(frozen=True)
class Measured:
    """One attack, or none: what honest customers saw meanwhile, and what it did."""

    name: str
    seen: Seen
    memory: Memory
    counts: Counter[str] = field(default_factory=Counter)


class Child:
    """A Python module in a process of its own that prints JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, *arguments: str) -> "Child":
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment(),
                limit=1 << 24,
            )
        )

    async def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def line(self) -> bytes:
        assert self._process.stdout is not None
        async with asyncio.timeout(END_SECONDS):
            line = await self._process.stdout.readline()
        assert line, "a child has ended"
        return line

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@dataclass
class Battlefield:
    """market: its servers are attacked. honest: visits them at a steady rate when told."""

    market: Market
    honest: Child

    async def measure(self, name: str | None, seconds: float) -> Measured:
        """What honest customers see for `seconds`, under the attack of that name if any."""
        for pid in self._pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # forget the peak
        attacker = None
        if name is not None:
            arguments = (name, self.market.link, str(seconds))
            attacker = await Child.start("tests.hostile.attacks", *arguments)
        counts: Counter[str] = Counter()
        try:
            await self.honest.tell(f"run {seconds}")
            seen = msgspec.json.decode(await self.honest.line(), type=Seen)
            if attacker is not None:
                counts.update(msgspec.json.decode(await attacker.line()))
        finally:
            if attacker is not None:
                await attacker.stop()
        return Measured(name or "nobody attacks", seen, self.memory(), counts)

    def memory(self) -> Memory:
        broker, merchant = (_status(pid) for pid in self._pids())
        return Memory(broker["VmRSS"], merchant["VmRSS"], broker["VmHWM"], merchant["VmHWM"])

    def _pids(self) -> tuple[int, int]:
        return self.market.broker.pid, self.market.merchant.pid


def _status(pid: int) -> dict[str, float]:
    """Memory figures of a process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields: dict[str, Any] = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")}


@asynccontextmanager
async def battlefield(folder: Path, per_second: float) -> AsyncIterator[Battlefield]:
    """Set up: honest customers are registered and have money; the honest merchant dials."""
    async with running_market(folder, narrate=False, dials=True) as market:
        honest = await Child.start(
            "tests.hostile.honest", market.link, str(folder), str(WALLETS), str(per_second)
        )
        try:
            names = msgspec.json.decode(await honest.line())["names"]
            for name in names:
                await run_command(
                    "broker", "credit", name, CREDIT, "--home", str(folder / "broker")
                )
            yield Battlefield(market, honest)
        finally:
            await honest.stop()
