"""Duties: the periodic work of a broker, each with its own pause after a failure.

A failed duty does not stop the others. Its status is in memory for the metrics and in the table
`duties` for `veilmart broker status`.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select

from veilmart.broker.schema.upkeep_tables import duties
from veilmart.errors import VeilmartError
from veilmart.storage.database.columns import insert as upsert
from veilmart.storage.database.isolation import repeatable, snapshot

NOTED_EVERY_SECONDS = 3600
"""How often a success is recorded at most, so that a quiet broker hardly writes."""
_ERROR_MAX_CHARACTERS = 300

_note = upsert(duties)
_put = _note.on_conflict_do_update(
    index_elements=[duties.c.name],
    set_={name: _note.excluded[name] for name in ("done_at", "failing_since", "error")},
)
_all = select(duties).order_by(duties.c.name)


class DutyLine(msgspec.Struct, frozen=True):
    """How a duty stands. Times are Unix seconds; failing_since: None while it succeeds."""

    name: str
    done_at: int | None
    failing_since: int | None
    error: str


Work = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Duty:
    """name: for metrics and people, [a-z_]. pause_max_seconds: the longest after failures."""

    name: str
    every_seconds: float
    pause_max_seconds: float
    work: Work
    done_at: int | None = None
    failing_since: int | None = None
    error: str = ""
    _failures: int = 0
    _noted: DutyLine | None = None

    async def once(self, now: int) -> Exception | None:
        """Do it; what it raised is returned and remembered."""
        try:
            await self.work()
        except Exception as fault:
            self._failures += 1
            self.failing_since = now if self.failing_since is None else self.failing_since
            self.error = _said(fault)
            return fault
        self.done_at, self.failing_since, self.error, self._failures = now, None, "", 0
        return None

    @property
    def pause_seconds(self) -> float:
        """Until it is done again; doubled by each failure in a row."""
        doubled = self.every_seconds * 2.0 ** min(self._failures, 30)
        return max(self.every_seconds, min(doubled, self.pause_max_seconds))

    def news(self) -> DutyLine | None:
        """What is to be written down, if anything is; it counts as written then."""
        line = DutyLine(self.name, self.done_at, self.failing_since, self.error)
        known = self._noted
        if known is not None and (known.failing_since, known.error) == (
            line.failing_since,
            line.error,
        ):
            before = known.done_at or 0
            if line.done_at is None or 0 <= line.done_at - before < NOTED_EVERY_SECONDS:
                return None
        self._noted = line
        return line

    def unnoted(self) -> None:
        """Recording failed: report it again the next time."""
        self._noted = None


@repeatable
@snapshot
def note_duties(conn: Connection, lines: Iterable[DutyLine]) -> None:
    """Transaction: how duties stand."""
    for line in lines:
        conn.execute(_put, msgspec.structs.asdict(line))


def duty_lines(conn: Connection) -> list[DutyLine]:
    """Every duty that was ever written down, by name."""
    return [DutyLine(*row) for row in conn.execute(_all)]


def _said(fault: Exception) -> str:
    """What may be shown: an error of our own says it all, another one only its kind."""
    if isinstance(fault, VeilmartError):
        return f"error {fault.code}: {fault}"[:_ERROR_MAX_CHARACTERS]
    return type(fault).__name__
