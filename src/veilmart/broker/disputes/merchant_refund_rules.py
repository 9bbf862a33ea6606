"""A merchant gives an order's money back (docs/protocol/12-disputes.md, 12.4).

The request is signed by the merchant's identity and recent. HELD and RELEASED orders are refunded
from escrow, SETTLED ones from the merchant's balance, whole. The same order again changes nothing.
"""

from sqlalchemy import Connection, insert

from veilmart.broker.effects import Answer
from veilmart.broker.escrow import invoices
from veilmart.broker.events import OrderReturned
from veilmart.broker.ledger import booking
from veilmart.broker.schema.dispute_tables import signed_refunds
from veilmart.broker.sessions.session import Session
from veilmart.broker.signed_requests import read_carried
from veilmart.broker.state import BrokerState
from veilmart.errors import InsufficientBalance, OrderUnknown, TooLateToRefund
from veilmart.protocol import labels
from veilmart.protocol.customer_messages import Noted
from veilmart.protocol.dispute_messages import RefundOrder, RefundRequest
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.invoice_states import InvoiceEvent, InvoiceState
from veilmart.protocol.ports import Clock
from veilmart.storage.database.isolation import repeatable


def refund_order(state: BrokerState, session: Session, request: RefundOrder) -> Rule[Answer]:
    """Raises MerchantUnknown, SignatureInvalid, NotYourBroker, MalformedMessage, OrderUnknown,
    WrongOrderState, InsufficientBalance, TooLateToRefund.
    """
    signed, now = request.signed, state.clock()
    wanted, _ = read_carried(state, RefundRequest, labels.MERCHANT_REFUND, signed, now)
    fresh = yield from transact(_refund, wanted, signed, state.clock)
    if fresh:
        state.observe(OrderReturned(wanted.order))
        state.wake_reporter(wanted.merchant)
    return Answer(Noted())


@repeatable
def _refund(conn: Connection, wanted: RefundRequest, signed: bytes, clock: Clock) -> bool:
    """Whether anything was given back now; then the signed request is stored as the reason."""
    row = invoices.get_invoice(conn, wanted.order)
    if row.merchant != wanted.merchant:
        raise OrderUnknown
    settled = row.state is InvoiceState.SETTLED
    if settled and row.hold is None:
        # Statements of folded months say that it was settled.
        raise TooLateToRefund("Its month was folded.")
    if settled and booking.balance_of(conn, row.account) < row.amount:
        raise InsufficientBalance("The merchant's balance does not cover the refund.")
    now = invoices.latest(conn, row, clock())
    reached = invoices.advance(conn, row, InvoiceEvent.MERCHANT_REFUND, now)
    if reached is row.state:
        return False
    conn.execute(insert(signed_refunds), {"order": row.order, "signed": signed, "at": now})
    return True
