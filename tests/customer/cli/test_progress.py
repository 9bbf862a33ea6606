"""What a transfer looks like without a terminal."""

import io

import pytest

from veilmart.customer.cli.progress import Drawer, duration
from veilmart.customer.events import ParcelBegun, SegmentStored
from veilmart.terminal.console import Console, Terminal

MIB = 1_000_000


def test_plain_lines_say_rate_and_time_left() -> None:
    out = io.StringIO()
    now = [100.0]
    terminal = Terminal(console=Console(file=out))
    drawer = Drawer(terminal, clock=lambda: now[0])
    drawer(ParcelBegun(stored=0, count=20, total=20 * MIB))
    for index in range(20):
        now[0] += 0.5
        drawer(SegmentStored(index, MIB))
    lines = out.getvalue().splitlines()
    assert lines[0] == "Received 10 %, 2.0 MB/s, 9 s left"
    assert lines[4] == "Received 50 %, 2.0 MB/s, 5 s left"
    assert lines[-1] == "Received 100 %, 2.0 MB/s"
    assert len(lines) == 10


def test_what_was_there_already_is_not_in_the_rate() -> None:
    out = io.StringIO()
    now = [0.0]
    drawer = Drawer(Terminal(console=Console(file=out)), clock=lambda: now[0])
    drawer(ParcelBegun(stored=90, count=100, total=100 * MIB))
    for index in range(90, 100):
        now[0] += 2
        drawer(SegmentStored(index, MIB))
    assert out.getvalue() == "Received 100 %, 0.5 MB/s\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (3600, "1 h 0 min"), (7630, "2 h 7 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
