"""The three state machines of a purchase (docs/protocol/09-purchase.md), as tables.

Wallet order    CONFIRMING → HELD → RELEASED → DELIVERED → DONE, or REFUNDED / ABANDONED.
Broker invoice  OFFERED → HELD → RELEASED → SETTLED, or EXPIRED / REFUNDED.
Merchant order  OFFERED → PAID → SETTLED, or EXPIRED / REFUNDED.

Rules: money is HELD before anything is delivered; the key is out only after RELEASED, so a HELD
order can be refunded whole, a RELEASED one only on evidence or by the merchant's signature and a
SETTLED one only by the latter (docs/protocol/12-disputes.md); the broker's clock at commit decides
deadlines. Every pair that is not in a table is refused. Retries of an operation never reach the
tables: the stored answer is given again.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from veilmart.errors import WrongOrderState


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
    """What a transition does to money, in the same transaction."""

    NONE = "none"
    HOLD = "hold"
    REFUND = "refund"
    SETTLE = "settle"
    GIVE_BACK = "give back"


class OrderState(StrEnum):
    OFFERED = "offered"
    PAID = "paid"
    SETTLED = "settled"
    REFUNDED = "refunded"
    EXPIRED = "expired"


class OrderEvent(StrEnum):
    SEGMENT_ASKED = "segment asked"
    PAY_DEADLINE = "pay deadline"
    REPORT_SETTLED = "report settled"
    REPORT_REFUNDED = "report refunded"
    REPORT_RETURNED = "report returned"


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
    # The same paper again changes nothing.
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

ORDER: Final[Mapping[tuple[OrderState, OrderEvent], OrderState]] = {
    (OrderState.OFFERED, OrderEvent.SEGMENT_ASKED): OrderState.PAID,
    (OrderState.OFFERED, OrderEvent.PAY_DEADLINE): OrderState.EXPIRED,
    (OrderState.OFFERED, OrderEvent.REPORT_SETTLED): OrderState.SETTLED,
    (OrderState.OFFERED, OrderEvent.REPORT_REFUNDED): OrderState.REFUNDED,
    (OrderState.PAID, OrderEvent.SEGMENT_ASKED): OrderState.PAID,
    (OrderState.PAID, OrderEvent.REPORT_SETTLED): OrderState.SETTLED,
    (OrderState.PAID, OrderEvent.REPORT_REFUNDED): OrderState.REFUNDED,
    # A wallet may still fetch what it paid for, and reports may come twice.
    (OrderState.SETTLED, OrderEvent.SEGMENT_ASKED): OrderState.SETTLED,
    (OrderState.SETTLED, OrderEvent.REPORT_SETTLED): OrderState.SETTLED,
    (OrderState.REFUNDED, OrderEvent.REPORT_REFUNDED): OrderState.REFUNDED,
    # After the key was out: on evidence, or because we gave the money back.
    (OrderState.OFFERED, OrderEvent.REPORT_RETURNED): OrderState.REFUNDED,
    (OrderState.PAID, OrderEvent.REPORT_RETURNED): OrderState.REFUNDED,
    (OrderState.SETTLED, OrderEvent.REPORT_RETURNED): OrderState.REFUNDED,
    (OrderState.REFUNDED, OrderEvent.REPORT_RETURNED): OrderState.REFUNDED,
    (OrderState.EXPIRED, OrderEvent.REPORT_RETURNED): OrderState.REFUNDED,
    # The broker's clock decides: what we let expire may have been paid in time.
    (OrderState.EXPIRED, OrderEvent.SEGMENT_ASKED): OrderState.PAID,
    (OrderState.EXPIRED, OrderEvent.REPORT_SETTLED): OrderState.SETTLED,
    (OrderState.EXPIRED, OrderEvent.REPORT_REFUNDED): OrderState.REFUNDED,
}

PURCHASE_STEPS: Final = (
    "session",
    "login",
    "descriptor",
    "tunnel",
    "catalogue",
    "select",
    "pay",
    "segment",
    "release",
    "acknowledge",
    "report",
)
"""The named steps of a purchase, in order; tests kill and cut at each."""

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)
Target = TypeVar("Target")


def step(table: Mapping[tuple[State, Event], Target], state: State, event: Event) -> Target:
    """Where `event` leads from `state`. Raises WrongOrderState for a pair not in the table."""
    target = table.get((state, event))
    if target is None:
        raise WrongOrderState(f"It is {state}; {event} is not possible.")
    return target
