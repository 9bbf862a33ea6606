"""Paying for an order from an account (docs/protocol/09-purchase.md, step 3).

Every decision is one transaction, committed before it is answered, judged by the broker's clock
inside it. Retries get the stored answer.
"""

from sqlalchemy import Connection

from veilmart.broker.effects import Answer
from veilmart.broker.escrow import invoices
from veilmart.broker.escrow.order_terms import is_of, signed_receipt, terms_of
from veilmart.broker.escrow.segment_rules import first_segment
from veilmart.broker.events import (
    PaymentHeld,
)
from veilmart.broker.ledger import booking, stored_answers
from veilmart.broker.sessions.known_orders import OrderTerms
from veilmart.broker.sessions.session import Session, require_login
from veilmart.broker.state import BrokerState
from veilmart.errors import (
    AmountDiffers,
    InsufficientBalance,
    OfferExpired,
    WrongOrderState,
)
from veilmart.limits import BODY_MAX_BYTES
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.customer_messages import (
    Paid,
    Pay,
)
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.invoice_states import InvoiceEvent, InvoiceState
from veilmart.protocol.moments import format_moment
from veilmart.protocol.ports import Clock
from veilmart.storage.database.isolation import repeatable, snapshot


def pay(state: BrokerState, session: Session, request: Pay) -> Rule[Answer]:
    """Balance → escrow, OFFERED → HELD, and a signed receipt; with it the first segment, once.

    Raises LoginRequired, OrderUnknown, OfferExpired, InsufficientBalance, OperationConflict,
    WrongOrderState.
    """
    who = require_login(session)
    stored_answers.check_id(request.operation, request.order, "pay")
    seed = state.own.by_serial(session.descriptor).signing_seed
    terms, at = (yield from terms_of(state, request.order)), state.clock()
    receipt = signed_receipt(state, seed, terms, at)
    try:
        stored, fresh = yield from transact(
            _pay, request, who.account, terms, receipt, at, state.settings.decimals, state.clock
        )
    except WrongOrderState:
        state.orders.drop(request.order)
        raise
    session.unpaid.pop(request.order, None)
    state.unpaid.remove(request.order)
    paid = decode(Paid, stored, BODY_MAX_BYTES)
    if not fresh:
        return Answer(paid)
    state.observe(PaymentHeld(request.order))
    return Answer(paid, attachment=(yield from first_segment(state, terms, at)))


@repeatable
@snapshot
def _pay(
    conn: Connection,
    request: Pay,
    account: int,
    terms: OrderTerms,
    receipt: bytes,
    at: int,
    decimals: int,
    clock: Clock,
) -> tuple[bytes, bool]:
    """The encoded answer, and whether this was the first time. at: the receipt's time."""
    body = stored_answers.body_hash(request, account)
    stored = stored_answers.stored_answer(conn, request.operation, body)
    if stored is not None:
        return stored, False
    now = clock()
    row = invoices.get_invoice(conn, request.order)
    if not is_of(row, terms):
        raise WrongOrderState("The order has another invoice.")
    if row.state is InvoiceState.EXPIRED or (row.state is InvoiceState.OFFERED and now >= row.due):
        ended, here = format_moment(row.due), format_moment(now)
        raise OfferExpired(f"It ended at {ended}; the broker's clock says {here}.")
    if request.amount != row.amount:
        raise AmountDiffers
    balance = booking.balance_of(conn, account)
    if row.state is InvoiceState.OFFERED and balance < row.amount:
        have, price = format_amount(balance, decimals), format_amount(row.amount, decimals)
        raise InsufficientBalance(f"Balance {have}, price {price}.")
    invoices.advance(conn, row, InvoiceEvent.PAY, at, payer=account)
    answer = encode(Paid(receipt=receipt, balance=balance - row.amount))
    stored_answers.remember(conn, request.operation, row.order, body, answer, at)
    return answer, True
