"""Answers leave at slots, whatever the work took; looked at on a virtual clock."""

import asyncio

import pytest

from tests.support.virtual_loop import VirtualLoop
from veilmart.limits import ANSWER_SLOT_SECONDS as SLOT
from veilmart.transport.time_slots import held_to_slot


def released_after(work_seconds: float, fault: Exception | None = None) -> float:
    """When an answer leaves whose work takes so long."""

    async def answer() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with held_to_slot():
                await asyncio.sleep(work_seconds)
                if fault is not None:
                    raise fault
        except ValueError:
            pass
        return loop.time() - began

    return VirtualLoop().run(answer())  # type: ignore[abstract]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.99])
def test_fast_and_slow_work_within_a_slot_look_alike(share: float) -> None:
    assert released_after(share * SLOT) == pytest.approx(SLOT)


def test_a_refusal_leaves_like_an_answer() -> None:
    assert released_after(0.2 * SLOT, ValueError()) == pytest.approx(SLOT)


@pytest.mark.parametrize(("share", "slots"), [(1.2, 2), (1.9, 2), (4.5, 5)])
def test_long_work_leaves_at_a_later_slot(share: float, slots: int) -> None:
    assert released_after(share * SLOT) == pytest.approx(slots * SLOT)
