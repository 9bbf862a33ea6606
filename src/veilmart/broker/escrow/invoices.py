"""Invoices: stored, and moved along protocol/invoice_states.py together with the money."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, select, text, tuple_, update

from veilmart.broker.escrow.outbox import ReportEvent, add_report
from veilmart.broker.escrow.refunds import give_back
from veilmart.broker.ledger import booking
from veilmart.broker.schema import tables
from veilmart.broker.tokens.published_prefixes import publish_order
from veilmart.errors import LedgerViolated, OrderUnknown, WrongOrderState
from veilmart.protocol.accounting import share, transfer
from veilmart.protocol.invoice_states import INVOICE, InvoiceEffect, InvoiceEvent, InvoiceState
from veilmart.protocol.offer import Invoice
from veilmart.protocol.state_table import step
from veilmart.storage.database.isolation import repeatable, snapshot
from veilmart.storage.database.prepared import Prepared

EXPIRED_KEPT_SECONDS = 3600
DUE_AT_ONCE = 256

_i = tables.invoices.c
_row = select(
    _i.order,
    _i.merchant,
    _i.signed,
    _i.amount,
    _i.order_key,
    _i.deliver_within,
    _i.settle_within,
    _i.state,
    _i.due,
    _i.held_at,
    _i.hold,
    tables.merchants.c.account,
    _i.fee,
).join(tables.merchants, tables.merchants.c.fingerprint == _i.merchant)
_find = Prepared(_row.where(_i.order == bindparam("of")))
# Word for word as in the index, or neither database knows that the index does.
_not_ended = text("invoices.state IN ('offered', 'held', 'released', 'expired')")
_due = (
    _row.where(_i.due <= bindparam("now"), _not_ended)
    .where(_i.state.in_([InvoiceState.OFFERED, InvoiceState.HELD, InvoiceState.RELEASED]))
    .where(tuple_(_i.due, _i.order) > tuple_(bindparam("at"), bindparam("on")))
    .order_by(_i.due, _i.order)
    .limit(DUE_AT_ONCE)
)
_t = tables.transactions.c
# A partial index: the query must repeat its condition word for word.
_settled_at = select(_t.at).where(
    _t.reference == bindparam("of"),
    text("kind IN ('hold', 'settle', 'refund')"),
    _t.kind == "settle",
)
_add = Prepared(insert(tables.invoices))
_update = Prepared(
    update(tables.invoices)
    .where(_i.order == bindparam("of"))
    .values(
        state=bindparam("new_state"),
        due=bindparam("new_due"),
        held_at=bindparam("new_held_at"),
        hold=bindparam("new_hold"),
    )
)
_forget = delete(tables.invoices).where(
    _i.state == InvoiceState.EXPIRED.value, _i.due < bindparam("before"), _not_ended
)


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """account: the merchant's. hold: the transaction that took the money, once HELD.

    fee: the broker's share of `amount`, minor units.
    """

    order: bytes
    merchant: bytes
    signed: bytes = field(repr=False)
    amount: int
    order_key: bytes
    deliver_within: int
    settle_within: int
    state: InvoiceState
    due: int
    held_at: int | None
    hold: int | None
    account: int
    fee: int = 0

    def time(self, now: int) -> int:
        """`now`, but no earlier than what the row knows: times of an order never run backwards."""
        known = [now, self.held_at or 0]
        if self.state in (InvoiceState.RELEASED, InvoiceState.SETTLED):
            known.append(self.due - self.settle_within)
        return max(known)


DUE_EVENTS = {
    InvoiceState.OFFERED: InvoiceEvent.PAY_DEADLINE,
    InvoiceState.HELD: InvoiceEvent.DELIVER_DEADLINE,
    InvoiceState.RELEASED: InvoiceEvent.SETTLE_DEADLINE,
}


@repeatable
@snapshot
def add_invoice(conn: Connection, invoice: Invoice, signed: bytes, fee: int = 0) -> None:
    """Store a checked invoice as OFFERED, with our share of it. The same one again does nothing.

    Raises WrongOrderState for another invoice of the same order.
    """
    known = find_invoice(conn, invoice.order)
    if known is not None:
        if known.signed != signed:
            raise WrongOrderState("The order has another invoice.")
        return
    row = {
        "order": invoice.order,
        "merchant": invoice.merchant,
        "signed": signed,
        "amount": invoice.amount,
        "order_key": invoice.order_key,
        "deliver_within": invoice.deliver_within,
        "settle_within": invoice.settle_within,
        "state": InvoiceState.OFFERED.value,
        "due": invoice.pay_by,
        "fee": fee,
    }
    _add.run(conn, row)


def find_invoice(conn: Connection, order: bytes) -> InvoiceRow | None:
    row = _find.row(conn, {"of": order})
    return None if row is None else _read(row)


@snapshot
def get_invoice(conn: Connection, order: bytes) -> InvoiceRow:
    """Raises OrderUnknown."""
    row = find_invoice(conn, order)
    if row is None:
        raise OrderUnknown
    return row


def latest(conn: Connection, row: InvoiceRow, now: int) -> int:
    """The row's `time`, and no earlier than its settlement, which only the books know."""
    settled = conn.execute(_settled_at, {"of": row.order}).scalar_one_or_none()
    return max(row.time(now), settled or 0)


def due_invoices(conn: Connection, now: int, after: tuple[int, bytes]) -> list[InvoiceRow]:
    """The next of those whose deadline has passed, by deadline and order, after that one."""
    found = conn.execute(_due, {"now": now, "at": after[0], "on": after[1]})
    return [_read(row) for row in found]


@snapshot
def still_offered(conn: Connection, orders: list[bytes]) -> set[bytes]:
    """Transaction: those of the orders that wait for their payment."""
    waiting = select(_i.order).where(_i.order.in_(orders), _i.state == InvoiceState.OFFERED.value)
    return set(conn.execute(waiting).scalars())


@repeatable
@snapshot
def withdraw_offer(conn: Connection, order: bytes) -> None:
    """Transaction: forget an order that nobody has paid, to make room for another one."""
    conn.execute(
        delete(tables.invoices).where(_i.order == order, _i.state == InvoiceState.OFFERED.value)
    )


def forget_expired(conn: Connection, now: int) -> None:
    """Invoices that nobody paid go an hour after their deadline."""
    conn.execute(_forget, {"before": now - EXPIRED_KEPT_SECONDS})


def advance(
    conn: Connection,
    row: InvoiceRow,
    event: InvoiceEvent,
    now: int,
    payer: int | None = None,
    hot: frozenset[int] = frozenset(),
) -> InvoiceState:
    """Take one step of the table with its effect on money, in the caller's transaction.

    `payer` is the account that pays, for the event PAY only; it is in `hot` if it is that of a
    token key. now: the row's `time`. Raises WrongOrderState for a step that is not in the table,
    LedgerViolated when the money is not there, TooLateToRefund when it cannot go back to where it
    came from.
    """
    state, effect = step(INVOICE, row.state, event)
    due, held_at, hold = row.due, row.held_at, row.hold
    if effect is InvoiceEffect.HOLD:
        if payer is None:
            raise LedgerViolated("Nobody pays.")
        moves = transfer(payer, tables.ESCROW, row.amount)
        hold = booking.book(conn, "hold", row.order, now, moves, hot)
        publish_order(conn, row.order_key)
        due, held_at = now + row.deliver_within, now
    elif effect is InvoiceEffect.REFUND:
        _held(row)
        _pay_back(conn, row, "refund", tables.ESCROW, event, now)
        told: ReportEvent = "refunded" if row.state is InvoiceState.HELD else "returned"
        add_report(conn, row.merchant, row.order, told, now)
    elif effect is InvoiceEffect.GIVE_BACK:
        _pay_back(conn, row, "give back", row.account, event, now)
        add_report(conn, row.merchant, row.order, "returned", now)
    elif effect is InvoiceEffect.SETTLE:
        _held(row)
        parts = ((row.account, row.amount - row.fee), (tables.FEES, row.fee))
        booking.book(conn, "settle", row.order, now, share(tables.ESCROW, parts))
        add_report(conn, row.merchant, row.order, "settled", now)
    if state is InvoiceState.RELEASED and row.state is InvoiceState.HELD:
        due = now + row.settle_within
    if state is not row.state:
        change = {
            "of": row.order,
            "new_state": state.value,
            "new_due": due,
            "new_held_at": held_at,
            "new_hold": hold,
        }
        _update.run(conn, change)
    return state


def _pay_back(
    conn: Connection,
    row: InvoiceRow,
    kind: booking.TransactionKind,
    source: int,
    event: InvoiceEvent,
    now: int,
) -> None:
    """The whole amount, from `source` to where it came from. Raises TooLateToRefund."""
    lapse = event is InvoiceEvent.DELIVER_DEADLINE
    give_back(conn, kind, row.order, row.amount, source, row.hold, now, lapse=lapse)


def _held(row: InvoiceRow) -> int:
    if row.hold is None:
        raise LedgerViolated("An order without held money cannot give any away.")
    return row.hold


def _read(row: object) -> InvoiceRow:
    values = list(row)  # type: ignore[call-overload]
    values[7] = InvoiceState(values[7])
    return InvoiceRow(*values)
