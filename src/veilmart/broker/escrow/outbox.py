"""The outbox: reports about a merchant's orders, in the order of events.

A report is written in the transaction that moves the money, sent as soon as possible, sent again
until the merchant has answered, and marked delivered later in one go: a purchase pays no commit
for it, and a report sent twice does no harm. Reports are kept: with the payouts they are all that
a merchant's balance follows from, and what its statement lists. Folding cuts their times to days.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, case, func, insert, select, update

from veilmart.broker.ledger import booking, hot_rows
from veilmart.broker.schema import tables
from veilmart.protocol.link_messages import REPORTS_MAX, ReportEntry
from veilmart.storage.database.isolation import snapshot
from veilmart.storage.database.prepared import Prepared

ReportEvent = Literal["settled", "refunded", "returned"]

_next = Prepared(
    update(tables.merchants)
    .where(tables.merchants.c.fingerprint == bindparam("of"))
    .values(last_sequence=tables.merchants.c.last_sequence + 1)
    .returning(tables.merchants.c.last_sequence)
)
_add = Prepared(insert(tables.reports))
_later = (
    select(
        tables.reports.c.sequence,
        tables.reports.c.order,
        tables.reports.c.event,
        tables.reports.c.at,
        func.coalesce(case((tables.reports.c.event == "settled", tables.invoices.c.fee)), 0),
    )
    .join(tables.invoices, tables.invoices.c.order == tables.reports.c.order, isouter=True)
    .where(tables.reports.c.merchant == bindparam("of"))
    .where(tables.reports.c.sequence > bindparam("after"))
    .order_by(tables.reports.c.sequence)
    .limit(REPORTS_MAX)
)
_waiting = Prepared(_later.where(tables.reports.c.delivered == 0))
_once_delivered = Prepared(_later.where(tables.reports.c.delivered == 1))
_account = Prepared(
    select(tables.merchants.c.account).where(tables.merchants.c.fingerprint == bindparam("of"))
)
_delivered = (
    update(tables.reports)
    .where(tables.reports.c.merchant == bindparam("of"))
    .where(tables.reports.c.delivered == 0)
    .where(tables.reports.c.sequence <= bindparam("up_to"))
    .values(delivered=1)
)


@dataclass(frozen=True, slots=True)
class Reports:
    """What to tell a merchant. balance: minor units, after the last entry."""

    entries: list[ReportEntry]
    balance: int


def add_report(
    conn: Connection, merchant: bytes, order: bytes, event: ReportEvent, at: int
) -> None:
    """Numbers grow by one for each merchant; deferred reports get theirs later."""
    if hot_rows.are_deferred(conn):
        hot_rows.append_report(conn, merchant, order, event, at)
        return
    sequence = int(_next.value(conn, {"of": merchant}))
    row = {
        "merchant": merchant,
        "sequence": sequence,
        "order": order,
        "event": event,
        "at": at,
    }
    _add.run(conn, row)


@snapshot
def next_reports(conn: Connection, merchant: bytes, after: int) -> Reports:
    """The next undelivered entries after sequence `after`, and the balance."""
    if hot_rows.are_deferred(conn):
        hot_rows.number_reports(conn, merchant)
    return _reports(conn, _waiting, merchant, after)


@snapshot
def delivered_after(conn: Connection, merchant: bytes, after: int) -> Reports:
    """Entries after sequence `after` that the merchant answered once, and the balance."""
    return _reports(conn, _once_delivered, merchant, after)


def _reports(conn: Connection, query: Prepared, merchant: bytes, after: int) -> Reports:
    rows = query.rows(conn, {"of": merchant, "after": after})
    entries = [
        ReportEntry(sequence=row[0], order=row[1], event=row[2], at=row[3], fee=row[4])
        for row in rows
    ]
    account = int(_account.value(conn, {"of": merchant}))
    return Reports(entries, booking.balance_of(conn, account))


def mark_delivered(conn: Connection, up_to: dict[bytes, int]) -> None:
    """merchant → last sequence it has answered."""
    for merchant, sequence in up_to.items():
        conn.execute(_delivered, {"of": merchant, "up_to": sequence})
