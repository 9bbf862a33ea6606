"""The broker's invoice as a table (docs/protocol/09-purchase.md, 9.3).

OFFERED → HELD → RELEASED → SETTLED, or EXPIRED / REFUNDED.

Rules: money is HELD before anything is delivered; the key is out only after RELEASED, so a HELD
order can be refunded whole, a RELEASED one only on evidence or by the merchant's signature and a
SETTLED one only by the latter (docs/protocol/12-disputes.md). The broker's clock at commit decides
deadlines. Retries of an operation never reach the table: they get the stored answer.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class InvoiceState(StrEnum):
    OFFERED = "offered"
    HELD = "held"
    RELEASED = "released"
    SETTLED = "settled"
    REFUNDED = "refunded"
    EXPIRED = "expired"


class InvoiceEvent(StrEnum):
    PAY = "pay"
    PAY_DEADLINE = "pay deadline"
    RELEASE = "release"
    CANCEL = "cancel"
    DELIVER_DEADLINE = "deliver deadline"
    ACKNOWLEDGE = "acknowledge"
    SETTLE_DEADLINE = "settle deadline"
    DISPUTE_WON = "dispute won"
    MERCHANT_REFUND = "merchant refund"


class InvoiceEffect(StrEnum):
    """The effect of a transition on money, in the same transaction."""

    NONE = "none"
    HOLD = "hold"
    REFUND = "refund"
    SETTLE = "settle"
    GIVE_BACK = "give back"


INVOICE: Final[Mapping[tuple[InvoiceState, InvoiceEvent], tuple[InvoiceState, InvoiceEffect]]] = {
    (InvoiceState.OFFERED, InvoiceEvent.PAY): (InvoiceState.HELD, InvoiceEffect.HOLD),
    (InvoiceState.OFFERED, InvoiceEvent.PAY_DEADLINE): (InvoiceState.EXPIRED, InvoiceEffect.NONE),
    (InvoiceState.HELD, InvoiceEvent.RELEASE): (InvoiceState.RELEASED, InvoiceEffect.NONE),
    (InvoiceState.HELD, InvoiceEvent.CANCEL): (InvoiceState.REFUNDED, InvoiceEffect.REFUND),
    (InvoiceState.HELD, InvoiceEvent.DELIVER_DEADLINE): (
        InvoiceState.REFUNDED,
        InvoiceEffect.REFUND,
    ),
    (InvoiceState.RELEASED, InvoiceEvent.ACKNOWLEDGE): (
        InvoiceState.SETTLED,
        InvoiceEffect.SETTLE,
    ),
    (InvoiceState.RELEASED, InvoiceEvent.SETTLE_DEADLINE): (
        InvoiceState.SETTLED,
        InvoiceEffect.SETTLE,
    ),
    (InvoiceState.HELD, InvoiceEvent.MERCHANT_REFUND): (
        InvoiceState.REFUNDED,
        InvoiceEffect.REFUND,
    ),
    (InvoiceState.RELEASED, InvoiceEvent.MERCHANT_REFUND): (
        InvoiceState.REFUNDED,
        InvoiceEffect.REFUND,
    ),
    (InvoiceState.RELEASED, InvoiceEvent.DISPUTE_WON): (
        InvoiceState.REFUNDED,
        InvoiceEffect.REFUND,
    ),
    (InvoiceState.SETTLED, InvoiceEvent.MERCHANT_REFUND): (
        InvoiceState.REFUNDED,
        InvoiceEffect.GIVE_BACK,
    ),
    # A repeated request changes nothing.
    (InvoiceState.REFUNDED, InvoiceEvent.MERCHANT_REFUND): (
        InvoiceState.REFUNDED,
        InvoiceEffect.NONE,
    ),
    # The customer acknowledges after the window has closed by itself: nothing is left to do.
    (InvoiceState.SETTLED, InvoiceEvent.ACKNOWLEDGE): (InvoiceState.SETTLED, InvoiceEffect.NONE),
    # The key stays available: a wallet that lost it on the way asks again.
    (InvoiceState.RELEASED, InvoiceEvent.RELEASE): (InvoiceState.RELEASED, InvoiceEffect.NONE),
    (InvoiceState.SETTLED, InvoiceEvent.RELEASE): (InvoiceState.SETTLED, InvoiceEffect.NONE),
}
