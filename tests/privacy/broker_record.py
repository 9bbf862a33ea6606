"""What the broker sees and can time: each request of a customer, each question to a merchant.

Times come from the clock of the loop that the broker runs in, at the broker's own door: when a
request was there, when its answer left, and the same for what it asked of the merchant.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.privacy.classifier import Labels, Table
from veilmart.broker.relay.links import LinkPool
from veilmart.broker.server.http_app import BrokerApp
from veilmart.protocol.link_messages import FetchSegment, TunnelOpen, TunnelRelay


@dataclass(frozen=True)
class Seen:
    """door: "customer" or "merchant". begin, end: seconds. sent, got: bytes."""

    door: str
    begin: float
    end: float
    sent: int
    got: int


@dataclass
class Record:
    """seen: of the purchase under way. rows, labels: of those before."""

    seen: list[Seen] = field(default_factory=list)
    rows: list[list[Seen]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def finish(self, label: int) -> None:
        """A purchase has ended: which product it was."""
        self.rows.append(sorted(self.seen, key=lambda one: one.begin))
        self.labels.append(label)
        self.seen = []

    def table(self) -> tuple[Table, Labels, list[str]]:
        """Per exchange the time since the one before it, its duration and sizes; and their number.

        Warm-up purchases are the caller's to leave out.
        """
        longest = max(len(row) for row in self.rows)
        names = ["exchanges"]
        for place in range(longest):
            names += [f"{what} {place}" for what in ("gap", "pause", "duration", "sent", "got")]
        table = np.full((len(self.rows), len(names)), np.nan)
        for number, row in enumerate(self.rows):
            table[number, 0] = len(row)
            for place, one in enumerate(row):
                before = row[max(0, place - 1)]
                gap, pause = one.begin - before.begin, one.begin - before.end
                values = (gap, pause, one.end - one.begin, one.sent, one.got)
                table[number, 1 + 5 * place : 6 + 5 * place] = values
        return table, np.array(self.labels), names


@contextmanager
def recording_broker(record: Record) -> Iterator[None]:
    """Every broker that is started inside writes into the record."""

    def watched(name: str, original: Any, *, door: str) -> Any:
        async def call(owner: Any, first: Any, *rest: Any) -> Any:
            clock = asyncio.get_running_loop().time
            begin, answer = clock(), None
            try:
                answer = await original(owner, first, *rest)
                return answer
            finally:
                if door == "customer":
                    got = 0 if answer is None else sum(len(part or b"") for part in answer)
                    record.seen.append(Seen(door, begin, clock(), len(first), got))
                elif isinstance(rest[1], TunnelOpen | TunnelRelay | FetchSegment):
                    got = 0 if answer is None else len(answer[1])
                    record.seen.append(Seen(door, begin, clock(), rest[1].cells, got))

        return call

    with ExitStack() as stack:
        for owner, name, door in (
            (BrokerApp, "_session", "customer"),
            (BrokerApp, "_request", "customer"),
            (LinkPool, "_exchange", "merchant"),
        ):
            call = watched(name, getattr(owner, name), door=door)
            stack.enter_context(patch.object(owner, name, call))
        yield
