"""Vouchers: each state against the postings, each batch against what was paid for it."""

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import Connection, Executable, and_, case, func, select

from veilmart.broker.audit.findings import Finding, Tally, stream
from veilmart.broker.audit.trusted_keys import Known
from veilmart.broker.schema import tables
from veilmart.broker.schema.voucher_tables import ISSUED, REDEEMED, VOID, vouchers
from veilmart.protocol.accounting import AccountKind
from veilmart.storage.database.columns import AnyRow

_a, _p, _t, _v = tables.accounts.c, tables.postings.c, tables.transactions.c, vouchers.c
_KINDS = {"redeem": REDEEMED, "void": VOID}


def check_vouchers(conn: Connection, known: Known, tally: Tally) -> None:
    """One by one with the transaction that ended it, then the batches, then the account."""
    for row in stream(conn, _with_endings()):
        tally.row()
        tally.take(_check_voucher(row, known))
    tally.take(_unknown(conn))
    tally.take(_batches(conn, known))
    count, total = conn.execute(
        select(func.count(), func.coalesce(func.sum(_v.value), 0)).where(_v.state == ISSUED)
    ).one()
    query = (
        select(func.coalesce(func.sum(_p.amount), 0))
        .join(tables.accounts, _a.id == _p.account)
        .where(_a.kind == AccountKind.VOUCHERS)
    )
    booked = int(conn.execute(query).scalar_one())
    if booked != total:
        what = f"{booked} is booked for {count} vouchers worth {int(total)}."
        tally.find("vouchers-outstanding", "vouchers", what)


def _with_endings() -> Executable:
    """Each voucher with the kind, time and gift of the transaction that names it, if any."""
    given = select(_p.entry, func.max(_p.amount).label("amount")).group_by(_p.entry).subquery()
    named = and_(_t.reference == _v.hash, _t.kind.in_(list(_KINDS)))
    return (
        select(
            _v.batch,
            _v.value,
            _v.state,
            _v.ended_at,
            _t.id.label("entry"),
            _t.kind,
            _t.at,
            given.c.amount,
        )
        .join(tables.transactions, named, isouter=True)
        .join(given, given.c.entry == _t.id, isouter=True)
        .order_by(_v.batch, _v.hash)
    )


def _check_voucher(row: AnyRow, known: Known) -> Iterator[Finding]:
    name = f"voucher of batch {row.batch}"
    if (row.ended_at is None) != (row.state == ISSUED):
        yield Finding("voucher-state", name, f"It is {row.state}; its end says otherwise.")
        return
    if row.state == ISSUED:
        if row.entry is not None:
            what = f"It is still good, and transaction {row.entry} gave its money."
            yield Finding("voucher-money", name, what)
        return
    if row.entry is None:
        if row.ended_at >= known.folded_until:
            yield Finding("voucher-money", name, f"It is {row.state}; no money moved.")
        return
    if (_KINDS[row.kind], row.at, row.amount) != (row.state, row.ended_at, row.value):
        what = f"It is {row.state}; transaction {row.entry} says otherwise."
        yield Finding("voucher-money", name, what)


def _unknown(conn: Connection) -> Iterator[Finding]:
    query = (
        select(_t.id)
        .join(vouchers, _v.hash == _t.reference, isouter=True)
        .where(_t.kind.in_(list(_KINDS)), _v.hash.is_(None))
    )
    for (entry,) in stream(conn, query):
        yield Finding("voucher-unknown", f"transaction {entry}", "There is no such voucher.")


def _batches(conn: Connection, known: Known) -> Iterator[Finding]:
    """What was paid for a batch is what its vouchers are worth, until it is folded."""
    worth: dict[int, tuple[int, int]] = {}
    rows = stream(
        conn,
        select(_v.batch, func.sum(_v.value), func.min(_v.issued_at)).group_by(_v.batch),
    )
    for batch, total, since in rows:
        worth[batch] = (int(total), since)
    given = func.sum(case((_p.amount > 0, _p.amount), else_=0))
    paid = (
        select(_t.reference, given)
        .join(tables.postings, _p.entry == _t.id)
        .where(_t.kind == "voucher")
        .group_by(_t.id, _t.reference)
        .order_by(_t.reference)
    )
    for reference, of_batch in groupby(stream(conn, paid), key=lambda row: bytes(row[0])):
        batch = int.from_bytes(reference, "big")
        booked = sum(int(amount) for _reference, amount in of_batch)
        total, _since = worth.pop(batch, (0, 0))
        if booked != total:
            what = f"{booked} was paid for it, its vouchers are worth {total}."
            yield Finding("voucher-batch", f"batch {batch}", what)
    for batch, (total, since) in worth.items():
        if since >= known.folded_until:
            what = f"Nothing was paid for its vouchers, worth {total}."
            yield Finding("voucher-batch", f"batch {batch}", what)
