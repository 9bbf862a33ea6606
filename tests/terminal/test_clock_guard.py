"""A clock that jumps is not believed until as much time has passed, or until it is confirmed."""

from dataclasses import dataclass

from veilmart.limits import CLOCK_JUMP_MAX_SECONDS, CLOCK_STOPPED_MAX_SECONDS
from veilmart.terminal.clock_guard import ANCHORED_SECONDS, ClockGuard

START = 1_800_000_000
DAY = 24 * 3600


@dataclass
class Machine:
    """wall: what its clock says. up: seconds since it was switched on."""

    wall: int = START
    up: float = 50.0

    def passes(self, seconds: int) -> None:
        self.wall += seconds
        self.up += seconds

    def guard(self, seen: int | None = None) -> ClockGuard:
        return ClockGuard(lambda: self.wall, lambda: self.up, seen)


def test_a_clock_that_fits_is_believed_for_years() -> None:
    machine = Machine()
    guard = machine.guard()
    for _ in range(700):
        machine.passes(DAY)
        machine.wall += 2  # a slow drift
        assert guard() == machine.wall
    assert guard.doubt_seconds == 0


def test_after_a_jump_ahead_time_goes_on_as_it_really_passes() -> None:
    machine = Machine()
    guard = machine.guard()
    machine.wall += 120 * DAY
    assert guard() == START
    assert guard.doubt_seconds == 120 * DAY
    machine.passes(3600)
    assert guard() == START + 3600
    machine.wall -= 120 * DAY
    assert guard() == machine.wall
    assert guard.doubt_seconds == 0


def test_a_jump_ahead_is_believed_when_as_much_time_has_passed() -> None:
    machine = Machine()
    guard = machine.guard()
    machine.wall += 10 * DAY
    guard()
    machine.passes(10 * DAY - 1)
    assert guard() == START + 10 * DAY - 1
    machine.passes(1)
    assert guard() == machine.wall
    assert guard.doubt_seconds == 0


def test_after_a_jump_back_nothing_is_judged_later_than_the_clock_says() -> None:
    machine = Machine()
    guard = machine.guard()
    machine.passes(5 * DAY)
    assert guard() == START + 5 * DAY
    machine.wall -= DAY
    assert guard() == machine.wall
    assert guard.doubt_seconds == -DAY
    machine.passes(DAY)
    assert guard() == machine.wall
    assert guard.doubt_seconds == 0


def test_a_jump_is_believed_when_it_is_confirmed() -> None:
    machine = Machine()
    guard = machine.guard()
    machine.wall += 400 * DAY
    assert guard() == START
    guard.confirm()
    assert guard() == machine.wall
    assert guard.doubt_seconds == 0


def test_a_stop_of_some_days_is_believed_and_one_of_months_is_not() -> None:
    machine = Machine()
    assert machine.guard(START - CLOCK_STOPPED_MAX_SECONDS)() == START
    seen = START - 60 * DAY
    guard = machine.guard(seen)
    assert guard() == seen
    machine.passes(3600)
    assert guard() == seen + 3600


def test_a_clock_that_is_behind_what_was_seen_is_believed_by_nobody() -> None:
    machine = Machine()
    guard = machine.guard(START + 30 * DAY)
    assert guard() == START
    assert guard.doubt_seconds == -30 * DAY


def test_many_small_corrections_cannot_make_a_large_one_within_the_hour() -> None:
    machine = Machine()
    guard = machine.guard()
    for _ in range(ANCHORED_SECONDS // 60 - 1):
        machine.passes(60)
        machine.wall += CLOCK_JUMP_MAX_SECONDS
        assert guard() - (START + machine.up - 50) <= CLOCK_JUMP_MAX_SECONDS
