"""The frozen events that a running purchase reports to its observer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from veilmart.errors import VeilmartError


@dataclass(frozen=True)
class Event:
    """Something that happened; nothing secret is in it."""


@dataclass(frozen=True)
class StepReached(Event):
    """step: one of `protocol.purchase_steps.PURCHASE_STEPS`, before it is begun."""

    step: str


@dataclass(frozen=True)
class BrokerAuthenticated(Event):
    """The broker answered the challenge under its certified key; nothing secret was sent before."""

    fingerprint: bytes
    group: str
    session_fingerprint: str


@dataclass(frozen=True)
class LoggedIn(Event):
    """balance: minor units."""

    username: str
    balance: int


@dataclass(frozen=True)
class TunnelOpened(Event):
    """A tunnel to the merchant. session_fingerprint: 16 hexadecimal digits, the same there."""

    merchant: bytes
    group: str
    session_fingerprint: str


@dataclass(frozen=True)
class Selected(Event):
    """A verified offer. order: its hash."""

    order: bytes
    price: int


@dataclass(frozen=True)
class Dropped(Event):
    """The person declined; nothing was stored and no money moved."""


@dataclass(frozen=True)
class PaymentHeld(Event):
    """balance: minor units right after the payment, or None when an old one was found held."""

    amount: int
    balance: int | None


@dataclass(frozen=True)
class SegmentRefetched(Event):
    """A segment did not verify and is asked for again."""

    index: int


@dataclass(frozen=True)
class ParcelBegun(Event):
    """stored of count segments are on the disk already; total: bytes of all segments."""

    stored: int
    count: int
    total: int


@dataclass(frozen=True)
class SegmentStored(Event):
    """One more segment is in the wallet; length: its bytes."""

    index: int
    length: int


@dataclass(frozen=True)
class KeyReleased(Event):
    """The content key came and is what the offer promised."""


@dataclass(frozen=True)
class ReceiptUseless(Event):
    """The broker's payment receipt names another invoice than the one it handed out."""


@dataclass(frozen=True)
class IntegrityChecked(Event):
    """Every piece is what the piece list promised, and the padding is zero."""


@dataclass(frozen=True)
class FileSaved(Event):
    """licence: the file is a licence key."""

    path: Path
    licence: bool = False


@dataclass(frozen=True)
class PurchaseDone(Event):
    """Acknowledged: the merchant has its money."""

    order: bytes


@dataclass(frozen=True)
class SettlementFailed(Event):
    """The goods are here, but the acknowledgement did not arrive; `sync` sends it again."""

    error: VeilmartError


@dataclass(frozen=True)
class CatalogueFetched(Event):
    """pages: how many came; 0 when the stored one is the newest."""

    pages: int


Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer that ignores every event."""
