"""Tables to export for a spreadsheet. Amounts in minor units, times Unix seconds.

Rows of tables that grow come in the order of their primary key: SQLite as it is bundled sorts in
memory.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Select, select

from veilmart.broker.accounts.vouchers import voucher_lines
from veilmart.broker.ledger.folded_sums import is_folded
from veilmart.broker.operator.admission import merchant_lines
from veilmart.broker.operator.bookkeeping import ROWS_AT_ONCE, account_lines
from veilmart.broker.schema import tables
from veilmart.broker.schema.operator_tables import withdrawals
from veilmart.broker.schema.upkeep_tables import folds
from veilmart.broker.tokens.key_totals import KeyTotals, key_totals
from veilmart.errors import BadArgument


@dataclass(frozen=True)
class Exported:
    """rows: read while they are written, so only inside the reading that made it."""

    heads: tuple[str, ...]
    rows: Iterable[tuple[object, ...]]


def export(conn: Connection, kind: str) -> Exported:
    """One of KINDS. Raises BadArgument."""
    make = KINDS.get(kind)
    if make is None:
        raise BadArgument(f"There are: {', '.join(KINDS)}.")
    return make(conn)


def _accounts(conn: Connection) -> Exported:
    rows = ((line.account, line.kind, line.name, line.balance) for line in account_lines(conn))
    return Exported(("account", "kind", "name", "balance"), rows)


def _merchants(conn: Connection) -> Exported:
    rows: list[tuple[object, ...]] = [
        (m.fingerprint, m.name, m.address, m.state, m.balance) for m in merchant_lines(conn)
    ]
    return Exported(("fingerprint", "name", "address", "state", "balance"), rows)


def _postings(conn: Connection) -> Exported:
    t, p = tables.transactions.c, tables.postings.c
    query = (
        select(t.id, t.kind, t.reference, t.at, p.account, p.amount)
        .join(tables.postings, p.entry == t.id)
        .order_by(p.id)
    )
    heads = ("transaction", "kind", "reference", "at", "account", "amount")
    return _exported(conn, heads, query)


def _invoices(conn: Connection) -> Exported:
    i, m = tables.invoices.c, tables.merchants.c
    query = (
        select(i.order, m.name, i.amount, i.fee, i.state, i.held_at, is_folded)
        .join(tables.merchants, m.fingerprint == i.merchant)
        .order_by(i.order)
    )
    heads = ("order", "merchant", "amount", "fee", "state", "held_at", "folded")
    return _exported(conn, heads, query)


def _folds(conn: Connection) -> Exported:
    f = folds.c
    columns = (
        f.until,
        f.entry,
        f.settled,
        f.settled_amount,
        f.settled_fees,
        f.refunded,
        f.statement,
    )
    heads = ("until", "transaction", "settled", "amount", "fees", "refunded", "statement")
    return _exported(conn, heads, select(*columns).order_by(f.id))


def _vouchers(conn: Connection) -> Exported:
    rows: list[tuple[object, ...]] = [
        (v.batch, v.issued_at, v.value, v.issued, v.left, v.redeemed, v.void)
        for v in voucher_lines(conn)
    ]
    heads = ("batch", "issued_at", "value", "issued", "left", "redeemed", "void")
    return Exported(heads, rows)


def _withdrawals(conn: Connection) -> Exported:
    w, m = withdrawals.c, tables.merchants.c
    query = (
        select(w.id, m.name, w.amount, w.note, w.state, w.at)
        .join(tables.merchants, m.fingerprint == w.merchant)
        .order_by(w.id)
    )
    return _exported(conn, ("id", "merchant", "amount", "note", "state", "at"), query)


def _exported(conn: Connection, heads: tuple[str, ...], query: Select[tuple[object]]) -> Exported:
    rows = conn.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    return Exported(heads, (tuple(row) for row in rows))


def _tokens(conn: Connection) -> Exported:
    heads = KeyTotals.__struct_fields__
    rows: list[tuple[object, ...]] = [
        (line.id.hex(), *(getattr(line, name) for name in heads[1:])) for line in key_totals(conn)
    ]
    return Exported(heads, rows)


KINDS: Mapping[str, Callable[[Connection], Exported]] = {
    "accounts": _accounts,
    "postings": _postings,
    "invoices": _invoices,
    "merchants": _merchants,
    "vouchers": _vouchers,
    "withdrawals": _withdrawals,
    "folds": _folds,
    "tokens": _tokens,
}
