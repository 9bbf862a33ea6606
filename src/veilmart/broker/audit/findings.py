"""The findings of an audit, each with a stable name, gathered in one check for each subject.

A finding names a row by public data (the beginning of an order's name, an account's number, a
voucher's batch); it never holds a key, a code or a password.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, Executable

from veilmart.storage.database.columns import AnyRow

FINDINGS_KEPT_MAX = 200
"""For each check; the others are only counted, so that a ruined database costs no memory."""
PROGRESS_EVERY_ROWS = 20_000

Progress = Callable[[str, int], None]
"""Told the subject and how many rows of it have been looked at."""


Pace = Callable[[], None]
"""Called for each row: it may pause, so that a long audit leaves the processor to requests."""


def no_pause() -> None:
    """The pace of an audit that blocks nobody."""


class Breather:
    """A pace that rests half of the time, in pieces of some milliseconds."""

    WORK_SECONDS = 0.002

    def __init__(self, tick: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._tick = tick
        self._sleep = sleep
        self._since = tick()

    def __call__(self) -> None:
        worked = self._tick() - self._since
        if worked >= self.WORK_SECONDS:
            self._sleep(worked)
            self._since = self._tick()


@dataclass(frozen=True, slots=True)
class Finding:
    """name: stable, for programs. row: which one. what: a sentence for people."""

    name: str
    row: str
    what: str


@dataclass(frozen=True, slots=True)
class Check:
    """One subject that was recomputed. findings: the first ones; found: how many there are."""

    name: str
    counted: int
    found: int
    findings: list[Finding]

    @property
    def holds(self) -> bool:
        return not self.found


@dataclass(slots=True)
class Tally:
    """A check while it is made."""

    name: str
    progress: Progress
    pace: Pace = no_pause
    counted: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    def row(self) -> None:
        """One more row was looked at."""
        self.counted += 1
        self.pace()
        if self.counted % PROGRESS_EVERY_ROWS == 0:
            self.progress(self.name, self.counted)

    def find(self, name: str, row: str, what: str) -> None:
        self.take((Finding(name, row, what),))

    def take(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.found += 1
            if len(self.findings) < FINDINGS_KEPT_MAX:
                self.findings.append(finding)

    def check(self) -> Check:
        return Check(self.name, self.counted, self.found, self.findings)


def order_name(order: bytes) -> str:
    """The name of an order in findings: enough to find it."""
    return f"order {order.hex()[:16]}"


ROWS_AT_ONCE = 1000


def stream(conn: Connection, query: Executable) -> Iterator[AnyRow]:
    """The rows one by one; a thousand are in memory at once."""
    return iter(conn.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}))
