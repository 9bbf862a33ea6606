"""The broker's record of a dispute: its outcome, not its content."""

import msgspec
from sqlalchemy import Connection, delete, select

from veilmart.broker.schema import tables
from veilmart.broker.schema.dispute_tables import REFUSED, WON, disputes
from veilmart.limits import DISPUTE_KEPT_SECONDS
from veilmart.protocol.dispute_messages import Dispute
from veilmart.storage.database.columns import insert

_d = disputes.c


class DisputeLine(msgspec.Struct, frozen=True):
    """order, hash: hexadecimal. amount: minor units. at: Unix seconds.

    outcome: "won" (the customer has the money back) or "refused". index: of the segment.
    """

    order: str
    merchant: str
    amount: int
    reason: str
    index: int
    outcome: str
    finding: str
    hash: str
    at: int


def note_dispute(conn: Connection, request: Dispute, outcome: str, finding: str, now: int) -> None:
    """Part of a transaction. The last dispute of an order is kept; one that was won stays."""
    if outcome == REFUSED and _was_won(conn, request.order):
        return
    row = {
        "order": request.order,
        "reason": request.reason,
        "index": request.index,
        "outcome": outcome,
        "finding": finding,
        "hash": request.hash,
        "at": now,
    }
    add = insert(disputes).values(row)
    changed = {name: value for name, value in row.items() if name != "order"}
    conn.execute(add.on_conflict_do_update(index_elements=[_d.order], set_=changed))


def _was_won(conn: Connection, order: bytes) -> bool:
    query = select(_d.outcome).where(_d.order == order)
    return conn.execute(query).scalar_one_or_none() == WON


def refused_before(conn: Connection, request: Dispute) -> str | None:
    """Why the same claim on the same evidence was refused last time; None if it was not."""
    same = (_d.order == request.order, _d.reason == request.reason, _d.index == request.index)
    query = select(_d.finding).where(*same, _d.hash == request.hash, _d.outcome == REFUSED)
    return conn.execute(query).scalar_one_or_none()


def dispute_lines(conn: Connection) -> list[DisputeLine]:
    """Newest first."""
    query = (
        select(
            _d.order,
            tables.merchants.c.name,
            tables.invoices.c.amount,
            _d.reason,
            _d.index,
            _d.outcome,
            _d.finding,
            _d.hash,
            _d.at,
        )
        .join(tables.invoices, tables.invoices.c.order == _d.order)
        .join(tables.merchants, tables.merchants.c.fingerprint == tables.invoices.c.merchant)
        .order_by(_d.at.desc(), _d.order)
    )
    return [
        DisputeLine(row[0].hex(), *row[1:7], row[7].hex(), row[8]) for row in conn.execute(query)
    ]


def forget_refused(conn: Connection, now: int) -> None:
    """Delete old refused disputes; won ones are kept because they explain a refund."""
    old = (_d.outcome == REFUSED) & (_d.at < now - DISPUTE_KEPT_SECONDS)
    conn.execute(delete(disputes).where(old))
