"""What every party of a run shares."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulator.known import Known
from tests.simulator.network import Network
from tests.simulator.store import CrashingStore, Disk
from tests.simulator.story import Story
from tests.simulator.template import Template
from tests.support.simulated_process import Process
from veilmart.broker.events import Event


@dataclass(frozen=True)
class World:
    """clock: Unix seconds. known: what is true. store_for: a disk as a process sees it.

    operator_sees: hears the broker's events. merchant_cheats: with some of its orders.
    purses: what holders of tokens remember, by name.
    """

    template: Template
    network: Network
    story: Story
    random: Random
    clock: Callable[[], int]
    known: Known
    store_for: Callable[[Disk, Process], CrashingStore]
    operator_sees: Callable[[Event], None]
    merchant_cheats: bool
    broker_disk: Disk
    purses: dict[str, Any] = field(default_factory=dict)

    def source(self) -> Callable[[int], bytes]:
        """A process's own random source: n → n bytes."""
        return Random(self.random.randbytes(16)).randbytes

    async def pause(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)
