"""What folded months state, and what their invoices say; the audit compares the two."""

from collections.abc import Sequence

from sqlalchemy import Connection, Executable, case, func, select

from veilmart.broker.schema import tables
from veilmart.broker.schema.upkeep_tables import folds
from veilmart.protocol.encoding import Message
from veilmart.protocol.invoice_states import InvoiceState

Sums = tuple[int, int, int, int]
"""(settled orders, their amounts, the fees in them, refunded orders); amounts in minor units."""

UNLOCKED = "folding"
"""A setting by that name lets rows of the books be deleted: only while a fold is made."""

STATEMENT_MAX_BYTES = 64 * 1024
"""Of an AuditStatement."""

_i, _f = tables.invoices.c, folds.c
is_folded = _i.state.in_([InvoiceState.SETTLED, InvoiceState.REFUNDED]) & _i.hold.is_(None)
_settled = _i.state == InvoiceState.SETTLED

_SUMS = select(
    func.coalesce(func.sum(case((_settled, 1), else_=0)), 0),
    func.coalesce(func.sum(case((_settled, _i.amount), else_=0)), 0),
    func.coalesce(func.sum(case((_settled, _i.fee), else_=0)), 0),
    func.coalesce(func.sum(case((_settled, 0), else_=1)), 0),
)


class AuditStatement(Message, frozen=True):
    """What is signed: the books were in order, and this is what was folded. Minor units."""

    broker: bytes
    until: int
    checks: list[str]
    settled: int
    settled_amount: int
    settled_fees: int
    refunded: int


def sums_stated(conn: Connection) -> Sums:
    """What the folded months say of themselves."""
    columns = (_f.settled, _f.settled_amount, _f.settled_fees, _f.refunded)
    row = conn.execute(select(*(func.coalesce(func.sum(column), 0) for column in columns))).one()
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


def sums_of_invoices(conn: Connection) -> Sums:
    """The same, counted over the invoices that have been folded."""
    return _sums(conn, _SUMS.where(is_folded))


def sums_of_ended(conn: Connection, ended: Sequence[bytes]) -> Sums:
    """The same, of these orders, which have all ended; before they are folded."""
    return _sums(conn, _SUMS.where(_i.order.in_(ended)))


def _sums(conn: Connection, query: Executable) -> Sums:
    row = conn.execute(query).one()
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])
