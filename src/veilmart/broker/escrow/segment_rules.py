"""Sealed segments of paid orders, carried from the merchant (docs/protocol/09-purchase.md, step 7).

The first one goes with the answer to the payment, after its commit; any other, and the first one
again, is asked for with the order key.
"""

from veilmart.broker.effects import Answer, Forward
from veilmart.broker.escrow import invoices
from veilmart.broker.sessions.known_orders import OrderTerms
from veilmart.broker.sessions.session import Session
from veilmart.broker.state import BrokerState
from veilmart.errors import (
    MerchantUnreachable,
    NetworkFailure,
    PaymentOutstanding,
    PeerFault,
    Refusal,
    WrongOrderState,
)
from veilmart.limits import FIRST_SEGMENT_SECONDS, SEGMENTS_AFTER_SECONDS
from veilmart.protocol.customer_messages import GetSegment, SegmentFollows
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.link_messages import FetchSegment, SegmentFollows as MerchantSegment
from veilmart.protocol.order_key import check_action
from veilmart.protocol.parcel import SEGMENT_MAX_BYTES, piece_count, segment_length

_NOT_PAID = (InvoiceState.OFFERED, InvoiceState.EXPIRED)


def get_segment(state: BrokerState, session: Session, request: GetSegment) -> Rule[Answer]:
    """Carry a sealed segment of a paid order; no commit.

    Raises OrderUnknown, OrderKeyInvalid, PaymentOutstanding, WrongOrderState, SegmentUnknown,
    MerchantUnreachable.
    """
    row = yield from transact(invoices.get_invoice, request.order)
    check_action(row.order_key, request.order, "segment", request.signature, request.index)
    if row.state in _NOT_PAID or row.held_at is None:
        raise PaymentOutstanding
    if row.state is InvoiceState.REFUNDED:
        raise WrongOrderState("It was refunded.")
    if row.state is InvoiceState.SETTLED and state.clock() >= row.due + SEGMENTS_AFTER_SECONDS:
        raise WrongOrderState("Its segments ended; `veilmart customer fetch` brings it again.")
    message = FetchSegment(order=row.order, index=request.index, held_at=row.held_at)
    segment = yield from _fetch(state, row.merchant, row.amount, message, None)
    return Answer(SegmentFollows(length=len(segment)), attachment=segment)


def first_segment(state: BrokerState, terms: OrderTerms, held_at: int) -> Rule[memoryview | None]:
    """Segment 0 of an order whose payment is committed, for the payment's answer.

    None where it does not come in time, for whatever reason: the payment stands, and the wallet
    asks for the segment by itself, which says why.
    """
    message = FetchSegment(order=terms.order, index=0, held_at=held_at)
    try:
        return (
            yield from _fetch(state, terms.merchant, terms.amount, message, FIRST_SEGMENT_SECONDS)
        )
    except (Refusal, NetworkFailure, PeerFault):
        return None


def _fetch(
    state: BrokerState, merchant: bytes, amount: int, message: FetchSegment, within: float | None
) -> Rule[memoryview]:
    """Raises MerchantUnreachable, and what the merchant refuses."""
    answer, attachment = yield from Forward(merchant, message, MerchantSegment, within)
    if answer.length != len(attachment):
        raise MerchantUnreachable("The segment's length differs from the announced one.")
    if answer.length > _longest_segment(state, merchant, amount, message.index):
        raise MerchantUnreachable("The segment is longer than its shelf allows.")
    return attachment


def _longest_segment(state: BrokerState, merchant: bytes, amount: int, index: int) -> int:
    """Bytes of segment `index` on the largest shelf that has the invoice's price."""
    lengths = [
        segment_length(shelf.size, index)
        for known in state.merchants.known(merchant).descriptors
        for shelf in known.descriptor.shelves
        if shelf.price == amount and index < piece_count(shelf.size)
    ]
    return max(lengths, default=SEGMENT_MAX_BYTES)
