"""A wall clock that is trusted only as far as the monotonic clock agrees with it (ADR 23).

Deadlines and everything else that cannot be undone take their time from the guard. It never runs
ahead of the time that has certainly passed: after a jump it continues by the monotonic clock. The
jump is accepted when as much time has passed as it skipped, or when the operator confirms it.
"""

from collections.abc import Callable

from veilmart.limits import CLOCK_JUMP_MAX_SECONDS, CLOCK_STOPPED_MAX_SECONDS

ANCHORED_SECONDS = 3600
"""How long one comparison lasts: the clock may be corrected by CLOCK_JUMP_MAX_SECONDS in each."""


class ClockGuard:
    """Call it for the time (Unix seconds) that deadlines are judged by."""

    def __init__(
        self, clock: Callable[[], int], elapsed: Callable[[], float], seen: int | None = None
    ) -> None:
        """clock: wall time. elapsed: seconds that only grow, from any point.

        seen: the last time that an earlier process was sure of, if there was one.
        """
        self._clock = clock
        self._elapsed = elapsed
        wall = clock()
        known = seen is None or (
            -CLOCK_JUMP_MAX_SECONDS <= wall - seen <= CLOCK_STOPPED_MAX_SECONDS
        )
        self._sure = wall if known or seen is None else seen
        self._since = elapsed()
        self._reached: int | None = None
        self._offset = 0.0

    def __call__(self) -> int:
        wall, elapsed = self._clock(), self._elapsed()
        sure = self._sure + int(elapsed - self._since)
        jump = wall - sure
        if abs(jump) <= CLOCK_JUMP_MAX_SECONDS:
            self._reached = None
            if elapsed - self._since >= ANCHORED_SECONDS:
                self._sure, self._since = wall, elapsed
            return wall
        offset = wall - elapsed
        if self._reached is None or abs(offset - self._offset) > CLOCK_JUMP_MAX_SECONDS:
            # A clock that jumps again while it is doubted is doubted from here.
            self._reached, self._offset = max(wall, sure), offset
        if min(wall, sure) >= self._reached:
            self.confirm()
            return wall
        return min(wall, sure)

    def confirm(self) -> None:
        """The operator says that the wall clock is right, or time has shown it."""
        self._sure, self._since, self._reached = self._clock(), self._elapsed(), None

    @property
    def doubt_seconds(self) -> int:
        """How far the wall clock is ahead of what is sure, below 0 if behind; 0 while it fits."""
        self()
        if self._reached is None:
            return 0
        return self._clock() - self._sure - int(self._elapsed() - self._since)
