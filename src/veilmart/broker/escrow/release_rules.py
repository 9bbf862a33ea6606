"""After the payment: release of the key, acknowledgement, cancelling, status.

The order key signs each of these requests (docs/protocol/09-purchase.md, steps 4 to 6). Every
decision is one transaction, committed before it is answered, judged by the broker's clock inside
it. Retries get the stored answer.
"""

from typing import Literal

from sqlalchemy import Connection

from veilmart.broker.effects import Answer
from veilmart.broker.escrow import invoices
from veilmart.broker.escrow.order_terms import terms_of
from veilmart.broker.events import (
    KeyReleased,
    OrderRefunded,
    OrderSettled,
)
from veilmart.broker.ledger import stored_answers
from veilmart.broker.sessions.session import Session
from veilmart.broker.state import BrokerState
from veilmart.errors import (
    OrderKeyInvalid,
    WrongOrderState,
)
from veilmart.limits import BODY_MAX_BYTES
from veilmart.protocol.customer_messages import (
    Acknowledge,
    Cancel,
    GetStatus,
    OrderStatus,
    Release,
    Released,
)
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.invoice_states import InvoiceEvent, InvoiceState
from veilmart.protocol.order_key import check_action
from veilmart.protocol.ports import Clock
from veilmart.storage.database.isolation import repeatable, snapshot

OrderAction = Literal["release", "acknowledge", "cancel"]


def release(state: BrokerState, session: Session, request: Release) -> Rule[Answer]:
    """HELD → RELEASED; the answer is the invoice, with the sealed key in it.

    Raises OrderUnknown, OrderKeyInvalid, WrongOrderState, OperationConflict.
    """
    stored_answers.check_id(request.operation, request.order, "release")
    stored, fresh, _merchant = yield from _act(state, request, "release")
    if fresh:
        state.observe(KeyReleased(request.order))
    return Answer(decode(Released, stored, BODY_MAX_BYTES))


def acknowledge(state: BrokerState, session: Session, request: Acknowledge) -> Rule[Answer]:
    """RELEASED → SETTLED: escrow → merchant, and a report. Raises as `release`."""
    stored_answers.check_id(request.operation, request.order, "acknowledge")
    stored, fresh, merchant = yield from _act(state, request, "acknowledge")
    if fresh:
        state.observe(OrderSettled(request.order))
        state.wake_reporter(merchant)
    return Answer(decode(OrderStatus, stored, BODY_MAX_BYTES))


def cancel(state: BrokerState, session: Session, request: Cancel) -> Rule[Answer]:
    """HELD → REFUNDED: no key was released, so the customer gets everything back."""
    stored_answers.check_id(request.operation, request.order, "cancel")
    stored, fresh, merchant = yield from _act(state, request, "cancel")
    if fresh:
        state.observe(OrderRefunded(request.order))
        state.wake_reporter(merchant)
    return Answer(decode(OrderStatus, stored, BODY_MAX_BYTES))


_EVENTS: dict[OrderAction, InvoiceEvent] = {
    "release": InvoiceEvent.RELEASE,
    "acknowledge": InvoiceEvent.ACKNOWLEDGE,
    "cancel": InvoiceEvent.CANCEL,
}


def _act(
    state: BrokerState, request: Release | Acknowledge | Cancel, action: OrderAction
) -> Rule[tuple[bytes, bool, bytes]]:
    """The encoded answer, whether this was the first time, and the merchant."""
    terms = yield from terms_of(state, request.order)
    check_action(terms.order_key, request.order, action, request.signature)
    try:
        return (yield from transact(_step, request, action, terms.order_key, state.clock))
    except OrderKeyInvalid:
        state.orders.drop(request.order)
        raise


@repeatable
@snapshot
def _step(
    conn: Connection,
    request: Release | Acknowledge | Cancel,
    action: OrderAction,
    order_key: bytes,
    clock: Clock,
) -> tuple[bytes, bool, bytes]:
    """`_act`, once this order key has signed."""
    row = invoices.get_invoice(conn, request.order)
    if row.order_key != order_key:
        raise OrderKeyInvalid
    body = stored_answers.body_hash(request, 0)
    stored = stored_answers.stored_answer(conn, request.operation, body)
    if stored is not None:
        return stored, False, row.merchant
    now = row.time(clock())
    if action == "release" and row.state is InvoiceState.HELD and now >= row.due:
        raise WrongOrderState("The delivery deadline has passed; the order is being refunded.")
    reached = invoices.advance(conn, row, _EVENTS[action], now)
    answer = (
        encode(Released(invoice=row.signed))
        if action == "release"
        else encode(OrderStatus(state=reached.value, due=0))
    )
    stored_answers.remember(conn, request.operation, row.order, body, answer, now)
    return answer, reached is not row.state, row.merchant


def get_status(state: BrokerState, session: Session, request: GetStatus) -> Rule[Answer]:
    """Raises OrderUnknown, OrderKeyInvalid."""
    row = yield from transact(invoices.get_invoice, request.order)
    check_action(row.order_key, request.order, "status", request.signature)
    return Answer(OrderStatus(state=row.state.value, due=row.due))
