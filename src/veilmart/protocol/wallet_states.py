"""The wallet's order as a table (docs/protocol/09-purchase.md, 9.3).

CONFIRMING → HELD → RELEASED → DELIVERED → DONE, or REFUNDED / ABANDONED.

Rules: CONFIRMING is committed before Pay is sent, so an interrupted order is always asked about.
HELD means that every segment is on the disk; only then is the key asked for. An order whose
payment never arrived is ABANDONED and never paid later without the person. A refund ends it from
anywhere: until the key is out whole, afterwards on evidence or by the merchant's signature.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class WalletState(StrEnum):
    CONFIRMING = "confirming"
    HELD = "held"
    RELEASED = "released"
    DELIVERED = "delivered"
    DONE = "done"
    REFUNDED = "refunded"
    ABANDONED = "abandoned"


class WalletEvent(StrEnum):
    PAID = "paid"
    OFFER_LOST = "offer lost"
    KEY_CAME = "key came"
    FILE_READY = "file ready"
    SETTLED = "settled"
    REFUND_SEEN = "refund seen"


WALLET: Final[Mapping[tuple[WalletState, WalletEvent], WalletState]] = {
    (WalletState.CONFIRMING, WalletEvent.PAID): WalletState.HELD,
    (WalletState.CONFIRMING, WalletEvent.OFFER_LOST): WalletState.ABANDONED,
    (WalletState.CONFIRMING, WalletEvent.REFUND_SEEN): WalletState.REFUNDED,
    (WalletState.HELD, WalletEvent.KEY_CAME): WalletState.RELEASED,
    (WalletState.HELD, WalletEvent.REFUND_SEEN): WalletState.REFUNDED,
    (WalletState.RELEASED, WalletEvent.FILE_READY): WalletState.DELIVERED,
    (WalletState.RELEASED, WalletEvent.REFUND_SEEN): WalletState.REFUNDED,
    (WalletState.DELIVERED, WalletEvent.SETTLED): WalletState.DONE,
    # The merchant gave the money back; the file stays.
    (WalletState.DELIVERED, WalletEvent.REFUND_SEEN): WalletState.REFUNDED,
    (WalletState.DONE, WalletEvent.REFUND_SEEN): WalletState.REFUNDED,
}
