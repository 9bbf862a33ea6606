"""Transactions, postings and accounts: everything a balance says follows from postings.

A new kind of transaction goes into SHAPES, or the audit finds it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, Executable, func, select, true

from veilmart.broker.audit.findings import Tally, stream
from veilmart.broker.audit.trusted_keys import Known
from veilmart.broker.ledger.hot_rows import are_deferred
from veilmart.broker.schema import tables
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.storage.database.columns import AnyRow

_a, _p, _t, _i = tables.accounts.c, tables.postings.c, tables.transactions.c, tables.invoices.c
_w = tables.pending_moves.c
CUSTOMER, MERCHANT, ESCROW = AccountKind.CUSTOMER, AccountKind.MERCHANT, AccountKind.ESCROW
CASH, FEES, VOUCHERS = AccountKind.CASH, AccountKind.FEES, AccountKind.VOUCHERS
TOKENS = AccountKind.TOKENS
SINGLE = {CASH: tables.CASH, ESCROW: tables.ESCROW, FEES: tables.FEES}


@dataclass(frozen=True, slots=True)
class Shape:
    """Which kinds of account a kind of transaction takes from (one account) and gives to."""

    source: frozenset[str]
    targets: frozenset[str]


def _shape(source: tuple[AccountKind, ...], *targets: AccountKind) -> Shape:
    return Shape(frozenset(source), frozenset(targets))


SHAPES: Mapping[str, Shape | None] = {
    "credit": _shape((CASH,), CUSTOMER, MERCHANT),
    "reverse": _shape((CUSTOMER, MERCHANT), CASH),
    "payout": _shape((MERCHANT,), CASH),
    "voucher": _shape((CASH,), VOUCHERS),
    "redeem": _shape((VOUCHERS,), CUSTOMER),
    "void": _shape((VOUCHERS,), CASH),
    "hold": _shape((CUSTOMER, TOKENS), ESCROW),
    "settle": _shape((ESCROW,), MERCHANT, FEES),
    "refund": _shape((ESCROW,), CUSTOMER, TOKENS, FEES),
    "give back": _shape((MERCHANT,), CUSTOMER, TOKENS),
    "issue": _shape((CUSTOMER,), TOKENS),
    "deposit": _shape((TOKENS,), CUSTOMER),
    "exchange": _shape((TOKENS,), TOKENS),
    "expire": _shape((TOKENS,), FEES),
    # The sums of a month: any accounts.
    "fold": None,
}


# ---- transactions ------------------------------------------------------------------------------


def check_transactions(conn: Connection, known: Known, tally: Tally) -> None:
    """Each sums to zero, moves between two accounts at least, of the kinds that its kind says."""
    query = (
        select(_t.id, _t.kind, _p.account, _p.amount, _a.kind)
        .join(tables.postings, _p.entry == _t.id, isouter=True)
        .join(tables.accounts, _a.id == _p.account, isouter=True)
        .order_by(_t.id)
    )
    for entry, rows in groupby(stream(conn, query), key=lambda row: int(row[0])):
        tally.row()
        _check_transaction(entry, rows, tally)
    _find_orphans(conn, tally)


def _check_transaction(entry: int, rows: Iterator[AnyRow], tally: Tally) -> None:
    """Row by row, so that a transaction with a million postings costs no memory."""
    name = f"transaction {entry}"
    total = count = sources = 0
    kind, fits = "", True
    for _entry, kind, account, amount, account_kind in rows:
        if account is None:
            continue
        total, count = total + amount, count + 1
        sources += amount < 0
        shape = SHAPES.get(kind)
        if account_kind is None:
            tally.find("posting-account", name, f"A posting names account {account}: none such.")
        elif amount == 0:
            fits = False
        elif shape is not None:
            fits &= account_kind in (shape.source if amount < 0 else shape.targets)
    if total != 0:
        tally.find("transaction-sum", name, f"Its {count} postings sum to {total}, not to 0.")
    if count < 2:
        tally.find("transaction-postings", name, f"It has {count} postings.")
    if kind not in SHAPES:
        tally.find("transaction-kind", name, f"There is no kind {kind[:20]!r}.")
    elif SHAPES[kind] is not None and count and (sources != 1 or not fits):
        tally.find("transaction-shape", name, f"Its accounts are not those of the kind {kind}.")


def _find_orphans(conn: Connection, tally: Tally) -> None:
    query = (
        select(_p.id, _p.entry)
        .join(tables.transactions, _t.id == _p.entry, isouter=True)
        .where(_t.id.is_(None))
    )
    for posting, entry in stream(conn, query):
        tally.find("posting-orphan", f"posting {posting}", f"There is no transaction {entry}.")


# ---- accounts ----------------------------------------------------------------------------------


def check_accounts(conn: Connection, known: Known, tally: Tally) -> None:
    """Each balance is the sum of its postings; each account has the owner that its kind demands."""
    total, seen = 0, dict.fromkeys(AccountKind, 0)
    for row in stream(conn, _account_rows()):
        number, kind, balance, pending, posted, customers, merchants = row
        tally.row()
        name = f"account {number}"
        true = balance + int(pending)
        total += true
        if true != posted:
            what = f"It stores {true}, its postings make {int(posted)}."
            tally.find("balance-differs", name, what)
        if true < 0 and kind != CASH:
            tally.find("balance-below-zero", name, f"It is at {true}.")
        if kind not in seen:
            tally.find("account-kind", name, f"There is no kind {kind[:20]!r}.")
            continue
        seen[AccountKind(kind)] += 1
        _check_owner(number, kind, int(customers), int(merchants), tally)
    for kind, number in SINGLE.items():
        if seen[kind] != 1:
            tally.find("account-kind", f"account {number}", f"{seen[kind]} are of the kind {kind}.")
    if total != 0:
        tally.find(
            "solvency", "all accounts", f"Together they hold {total} that was never paid in."
        )
    _check_pending(conn, tally)


def _account_rows() -> Executable:
    """(number, kind, balance, pending, sum of postings, its customers, its merchants)."""
    posted = select(_p.account, func.sum(_p.amount).label("total")).group_by(_p.account).subquery()
    waiting = select(_w.account, func.sum(_w.amount).label("total")).group_by(_w.account).subquery()
    merchants = tables.merchants.c
    shops = (
        select(merchants.account, func.count().label("owners"))
        .group_by(merchants.account)
        .subquery()
    )
    return (
        select(
            _a.id,
            _a.kind,
            _a.balance,
            func.coalesce(waiting.c.total, 0),
            func.coalesce(posted.c.total, 0),
            func.count(tables.customers.c.account),
            func.coalesce(func.max(shops.c.owners), 0),
        )
        .join(posted, posted.c.account == _a.id, isouter=True)
        .join(waiting, waiting.c.account == _a.id, isouter=True)
        .join(shops, shops.c.account == _a.id, isouter=True)
        .join(tables.customers, tables.customers.c.account == _a.id, isouter=True)
        .group_by(_a.id, _a.kind, _a.balance, waiting.c.total, posted.c.total)
        .order_by(_a.id)
    )


def _check_owner(number: int, kind: str, customers: int, merchants: int, tally: Tally) -> None:
    expected = (int(kind == CUSTOMER), int(kind == MERCHANT))
    if (customers, merchants) != expected:
        what = f"It is of the kind {kind} and belongs to {customers} customers, "
        tally.find("account-owner", f"account {number}", f"{what}{merchants} merchants.")
    if SINGLE.get(AccountKind(kind), number) != number:
        tally.find("account-kind", f"account {number}", f"It is of the kind {kind}.")


def _check_pending(conn: Connection, tally: Tally) -> None:
    query = (
        select(_w.id, _w.account)
        .join(tables.accounts, _a.id == _w.account, isouter=True)
        .where(_a.id.is_(None) if are_deferred(conn) else true())
    )
    for number, account in stream(conn, query):
        what = f"It would move money of account {account}."
        tally.find("pending-move", f"pending move {number}", what)


# ---- escrow ------------------------------------------------------------------------------------


def check_escrow(conn: Connection, known: Known, tally: Tally) -> None:
    """Escrow has what HELD and RELEASED orders hold, and nothing else."""
    held = [InvoiceState.HELD.value, InvoiceState.RELEASED.value]
    count, total = conn.execute(
        select(func.count(), func.coalesce(func.sum(_i.amount), 0)).where(_i.state.in_(held))
    ).one()
    tally.counted = int(count)
    posted = select(func.coalesce(func.sum(_p.amount), 0)).where(_p.account == tables.ESCROW)
    escrow = int(conn.execute(posted).scalar_one())
    if escrow != total:
        tally.find("escrow-differs", "escrow", f"It has {escrow}, orders hold {int(total)}.")
