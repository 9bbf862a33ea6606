"""Draws a purchase's events: a bar on a terminal, a line per tenth elsewhere."""

import time
from collections.abc import Callable

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from veilmart.customer.display.goods import licence_key
from veilmart.customer.events import (
    BrokerAuthenticated,
    Dropped,
    Event,
    FileSaved,
    IntegrityChecked,
    ParcelBegun,
    PaymentHeld,
    ReceiptUseless,
    SegmentRefetched,
    SegmentStored,
    TunnelOpened,
)
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.names import shown_path
from veilmart.terminal.console import Terminal
from veilmart.terminal.rich_console import rich_console

TENTHS = 10
# Below this nobody has waited, and a rate says nothing.
RATE_AFTER_SECONDS = 1.0


class Drawer:
    """An observer. `sessions`: also tell who was authenticated and by which group."""

    def __init__(
        self,
        terminal: Terminal,
        decimals: int = 2,
        *,
        sessions: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.decimals = decimals
        self._terminal = terminal
        self._sessions = sessions
        self._told_broker = False
        self._told_tunnel = False
        self._balance: int | None = None
        self._stored = 0
        self._count = 0
        self._bar: Progress | None = None
        self._clock = clock
        self._began = 0.0
        self._received = 0
        self._left = 0

    def __call__(self, event: Event) -> None:
        say = self._terminal.say
        match event:
            case BrokerAuthenticated() if self._sessions and not self._told_broker:
                self._told_broker = True
                say("Broker authenticated successfully.")
            case TunnelOpened() if self._sessions and not self._told_tunnel:
                self._told_tunnel = True
                say(f"Group {event.group}, session fingerprint {event.session_fingerprint}")
            case PaymentHeld():
                self._balance = event.balance
            case ParcelBegun():
                self._begin(event)
            case SegmentStored():
                self._advance(event)
            case SegmentRefetched():
                say(f"Segment {event.index + 1} arrived damaged and is fetched again.")
            case ReceiptUseless():
                say("Warning: the broker's receipt is for another invoice; it proves nothing.")
            case IntegrityChecked():
                self.close()
                self._tell_balance()
                say("Integrity check successful")
            case FileSaved():
                say(f"Saved to {shown_path(event.path)}")
                key = licence_key(event.path) if event.licence else ""
                if key:
                    say(f"Licence key: {key}")
            case Dropped():
                say("Order dropped. No money moved.")

    def close(self) -> None:
        """Remove the bar from the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _tell_balance(self) -> None:
        if self._balance is not None:
            amount = format_amount(self._balance, self.decimals)
            self._terminal.say(f"Remaining balance: {amount}")
            self._balance = None

    def _begin(self, event: ParcelBegun) -> None:
        self.close()
        self._stored, self._count = event.stored, event.count
        self._began, self._received = self._clock(), 0
        self._left = event.total - event.total * event.stored // max(event.count, 1)
        if self._terminal.json or not self._terminal.console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("Receiving"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=rich_console(self._terminal),
        )
        done = event.total * event.stored // max(event.count, 1)
        self._bar.add_task("parcel", total=event.total, completed=done)
        self._bar.start()

    def _advance(self, event: SegmentStored) -> None:
        before = self._stored * TENTHS // max(self._count, 1)
        self._stored += 1
        self._received += event.length
        self._left -= event.length
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], event.length)
            return
        tenth = self._stored * TENTHS // max(self._count, 1)
        if tenth > before:
            self._terminal.say(f"Received {tenth * 100 // TENTHS} %{self._rate()}")

    def _rate(self) -> str:
        """Rate and time left, once they are known."""
        took = self._clock() - self._began
        if took < RATE_AFTER_SECONDS:
            return ""
        rate = self._received / took
        left = max(self._left, 0) / rate
        return f", {rate / 1e6:.1f} MB/s" + (f", {duration(left)} left" if left >= 1 else "")


def duration(seconds: float) -> str:
    """Such as "48 s", "3 min 5 s" or "2 h 7 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
