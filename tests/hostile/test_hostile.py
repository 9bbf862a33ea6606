"""Honest purchases under some of the attacks, for a short time; `make hostile` has them all."""

from pathlib import Path

from tests.hostile.__main__ import MEMORY_MAX_MIB
from tests.hostile.measuring import battlefield

SECONDS = 2.0


async def test_honest_purchases_go_on(tmp_path: Path) -> None:
    async with battlefield(tmp_path, per_second=2.0) as field:
        for name in (
            None,
            "crowd",
            "expensive handshakes",
            "nested and junk",
            "unread answers",
            "dials",
        ):
            measured = await field.measure(name, SECONDS)
            assert measured.seen.visits, f"{measured.name}: {measured.seen.failures}"
            assert measured.memory.broker_peak < MEMORY_MAX_MIB
            assert measured.memory.merchant_peak < MEMORY_MAX_MIB
            assert name is None or measured.counts
