"""Everything the database has about one order, gathered in one pass over all orders.

Invoices, money, stored answers and reports are each read in the order of the orders' names and
merged: memory holds one order at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby

from sqlalchemy import Connection, null, select

from veilmart.broker.audit.findings import stream
from veilmart.broker.schema import tables
from veilmart.broker.schema.dispute_tables import disputes, signed_refunds
from veilmart.broker.schema.token_tables import spent_tokens
from veilmart.storage.database.columns import AnyRow

ROWS_OF_ORDER_MAX = 64
"""No order has as many postings, answers or reports; more are dropped and found."""
ORDER_KINDS = ("hold", "settle", "refund", "give back")

_i, _t, _p, _o = tables.invoices.c, tables.transactions.c, tables.postings.c, tables.operations.c
_r, _w, _s = tables.reports.c, tables.pending_reports.c, spent_tokens.c
_INVOICE, _POSTING, _ANSWER, _REPORT, _DISPUTE, _REFUND, _TOKEN = range(7)


@dataclass(slots=True)
class Entry:
    """A transaction of the order. moves: (account, amount) of each posting."""

    id: int
    kind: str
    at: int
    moves: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Operation:
    id: bytes
    body: bytes
    answer: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Reported:
    """sequence: None for a report that is not numbered yet."""

    merchant: bytes
    sequence: int | None
    event: str
    at: int


@dataclass(slots=True)
class Dossier:
    """invoice: its row, or None. spent: the token that was shown for it. dispute: the row of its
    last one. signed_refund: the merchant's own. overflow: more than an order can have.
    """

    order: bytes
    invoice: AnyRow = None
    entries: list[Entry] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    reports: list[Reported] = field(default_factory=list)
    spent: AnyRow = None
    dispute: AnyRow = None
    signed_refund: AnyRow = None
    overflow: bool = False


def dossiers(conn: Connection) -> Iterator[Dossier]:
    """One for each order that anything names, by name."""
    sources = (
        _invoices,
        _postings,
        _answers,
        _reports,
        _waiting_reports,
        _disputes,
        _signed_refunds,
        _tokens,
    )
    rows = merge(*(source(conn) for source in sources), key=lambda row: (row[0], row[1]))
    for order, of_order in groupby(rows, key=lambda row: row[0]):
        yield _gather(order, of_order)


def _gather(order: bytes, rows: Iterator[tuple[bytes, int, AnyRow]]) -> Dossier:
    found = Dossier(order)
    for count, (_order, source, row) in enumerate(rows):
        if count >= ROWS_OF_ORDER_MAX:
            found.overflow = True
        elif source == _INVOICE:
            found.invoice = row
        elif source == _POSTING:
            _add_posting(found.entries, row)
        elif source == _ANSWER:
            found.operations.append(Operation(row.id, row.body, row.answer, row.at))
        elif source == _REPORT:
            found.reports.append(Reported(row.merchant, row.sequence, row.event, row.at))
        elif source == _DISPUTE:
            found.dispute = row
        elif source == _REFUND:
            found.signed_refund = row
        else:
            found.spent = row
    return found


def _add_posting(entries: list[Entry], row: AnyRow) -> None:
    if not entries or entries[-1].id != row.id:
        entries.append(Entry(row.id, row.kind, row.at))
    if row.account is not None:
        entries[-1].moves.append((row.account, row.amount))


def _tagged(source: int, rows: Iterator[AnyRow]) -> Iterator[tuple[bytes, int, AnyRow]]:
    for row in rows:
        yield bytes(row[0]), source, row


def _invoices(conn: Connection) -> Iterator[tuple[bytes, int, AnyRow]]:
    return _tagged(_INVOICE, stream(conn, select(tables.invoices).order_by(_i.order)))


def _postings(conn: Connection) -> Iterator[tuple[bytes, int, AnyRow]]:
    query = (
        select(_t.reference, _t.id, _t.kind, _t.at, _p.account, _p.amount)
        .join(tables.postings, _p.entry == _t.id, isouter=True)
        .where(_t.kind.in_(ORDER_KINDS))
        .order_by(_t.reference, _t.id, _p.id)
    )
    return _tagged(_POSTING, stream(conn, query))


def _answers(conn: Connection) -> Iterator[tuple[bytes, int, AnyRow]]:
    query = select(_o.order, _o.id, _o.body, _o.answer, _o.at).order_by(_o.order, _o.id)
    return _tagged(_ANSWER, stream(conn, query))


def _reports(conn: Connection) -> Iterator[tuple[bytes, int, AnyRow]]:
    query = select(_r.order, _r.merchant, _r.sequence, _r.event, _r.at)
    return _tagged(_REPORT, stream(conn, query.order_by(_r.order, _r.merchant, _r.sequence)))


def _waiting_reports(conn: Connection) -> Iterator[tuple[bytes, int, AnyRow]]:
    query = select(_w.order, _w.merchant, null().label("sequence"), _w.event, _w.at)
    return _tagged(_REPORT, stream(conn, query.order_by(_w.order, _w.id)))


def _disputes(conn: Connection) -> Iterator[tuple[bytes, int, AnyRow]]:
    query = select(disputes).order_by(disputes.c.order)
    return _tagged(_DISPUTE, stream(conn, query))


def _signed_refunds(conn: Connection) -> Iterator[tuple[bytes, int, AnyRow]]:
    query = select(signed_refunds).order_by(signed_refunds.c.order)
    return _tagged(_REFUND, stream(conn, query))


def _tokens(conn: Connection) -> Iterator[tuple[bytes, int, AnyRow]]:
    query = select(
        _s.order, _s.key, _s.order_key, _s.refund_key, _s.late, _s.reissued, _s.body, _s.answer
    )
    return _tagged(_TOKEN, stream(conn, query.where(_s.order.is_not(None)).order_by(_s.order)))
