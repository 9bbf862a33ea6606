"""The merchant's order as a table (docs/protocol/09-purchase.md, 9.3).

OFFERED → PAID → SETTLED, or EXPIRED / REFUNDED.

Rules: a broker that asks for a segment holds the payment; its report ends the order. The broker's
clock decides: an offer that we let expire may have been paid in time. A repeated report changes
nothing; only "returned" can follow a settlement.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


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
