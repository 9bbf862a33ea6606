"""Folding: after thirty days a month's postings become one per account, without times.

Design section 9. Invoices name no customer; who paid one is known only through the postings of
its hold. Once a month is over for thirty days (the longest that stored answers are kept) the books
are audited, the audit is signed, and every posting of an order that ended in that month, of every
credit, voucher and payout, is replaced by one posting per account with their sum. Balances do not
change. A broker that is broken into later cannot tell any more who bought from whom.

Whatever is still under way keeps its postings and is folded with the month in which it ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from veilmart.broker import settings, tables
from veilmart.broker.audit import audit
from veilmart.broker.folds import AuditStatement, Sums, sums_of_invoices, sums_stated
from veilmart.broker.operator_tables import ISSUED, folds, vouchers
from veilmart.errors import LedgerViolated
from veilmart.limits import FOLD_AFTER_SECONDS
from veilmart.protocol.encoding import encode

FOLDED_AT_ONCE = 50_000
_DAY_SECONDS = 24 * 3600
_MARK = "folded until"
_UNLOCKED = "folding"
_ENDINGS = ("settle", "refund")
_OTHERS = ("give back", "credit", "payout", "voucher", "redeem", "void")
_t, _p, _i, _o, _r = (
    tables.transactions.c,
    tables.postings.c,
    tables.invoices.c,
    tables.operations.c,
    tables.reports.c,
)

Sign = Callable[[bytes], bytes]
"""Signs with our identity under the label of audits."""


@dataclass(frozen=True, slots=True)
class Folded:
    """transactions: how many became one. more: there are further ones of that month."""

    transactions: int
    until: int
    more: bool


def fold_until(now: int) -> int:
    """The end (Unix seconds) of the newest month that is over for thirty days."""
    day = datetime.fromtimestamp(now - FOLD_AFTER_SECONDS, tz=UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())


def fold(conn: Connection, broker: bytes, now: int, sign: Sign) -> Folded | None:
    """Fold what is due; None when nothing is. Raises LedgerViolated when the audit fails."""
    until = fold_until(now)
    if settings.number(conn, _MARK) >= until:
        return None
    last = _last_entry(conn, until)
    if last is None:
        settings.set_number(conn, _MARK, until)
        return None
    checks = audit(conn)
    broken = [check.name for check in checks if not check.holds]
    if broken:
        raise LedgerViolated(f"Nothing is folded while the audit fails: {', '.join(broken)}.")
    entries = _entries(until, last)
    entry = _book_sums(conn, entries, until)
    ended = select(_t.reference).where(_t.id.in_(entries), _t.kind.in_(_ENDINGS))
    _forget_payers(conn, ended)
    count = _delete(conn, entries)
    more = _last_entry(conn, until) is not None
    if not more:
        # Vouchers that ended in a folded month have nothing left to be compared with.
        gone = delete(vouchers).where(vouchers.c.state != ISSUED, vouchers.c.ended_at < until)
        conn.execute(gone)
    _state(conn, broker, until, entry, [check.name for check in checks], sign)
    return Folded(count, until, more)


def _last_entry(conn: Connection, until: int) -> int | None:
    """The number of the newest transaction to fold, of at most FOLDED_AT_ONCE."""
    numbers = (
        select(_t.id)
        .where(_t.at < until, _t.kind.in_(_ENDINGS + _OTHERS))
        .order_by(_t.id)
        .limit(FOLDED_AT_ONCE)
        .subquery()
    )
    last = conn.execute(select(func.max(numbers.c.id))).scalar_one_or_none()
    return None if last is None else int(last)


def _entries(until: int, last: int) -> ColumnElement[int]:
    """The transactions to fold: whole orders that have ended, and what belongs to no order."""
    hold = tables.transactions.alias("ending")
    ended = select(hold.c.reference).where(
        hold.c.at < until, hold.c.id <= last, hold.c.kind.in_(_ENDINGS)
    )
    single = (_t.at < until) & (_t.id <= last) & _t.kind.in_(_OTHERS)
    whole = _t.kind.in_(("hold", *_ENDINGS)) & _t.reference.in_(ended)
    return select(_t.id).where(single | whole).scalar_subquery()


def _book_sums(conn: Connection, entries: ColumnElement[int], until: int) -> int | None:
    """One transaction with one posting per account; the balances stay as they are."""
    total = func.sum(_p.amount)
    query = (
        select(_p.account, total)
        .where(_p.entry.in_(entries))
        .group_by(_p.account)
        .having(total != 0)
        .order_by(_p.account)
    )
    sums = conn.execute(query).all()
    if not sums:
        return None
    row = {"kind": "fold", "reference": b"", "at": until}
    new = insert(tables.transactions).returning(tables.transactions.c.id)
    entry = int(conn.execute(new, row).scalar_one())
    conn.execute(
        insert(tables.postings),
        [{"entry": entry, "account": account, "amount": int(sum_)} for account, sum_ in sums],
    )
    return entry


def _forget_payers(conn: Connection, ended: object) -> None:
    """Cut invoices off from the transactions that paid them; of times only the day stays."""
    conn.execute(
        update(tables.invoices)
        .where(_i.order.in_(ended))  # type: ignore[arg-type]
        .values(hold=None, due=0, held_at=_i.held_at - _i.held_at % _DAY_SECONDS)
    )
    conn.execute(
        update(tables.reports)
        .where(_r.order.in_(ended))  # type: ignore[arg-type]
        .values(at=_r.at - _r.at % _DAY_SECONDS)
    )
    # A stored answer's body hash would let accounts be tried one by one.
    conn.execute(delete(tables.operations).where(_o.order.in_(ended)))  # type: ignore[arg-type]


def _delete(conn: Connection, entries: ColumnElement[int]) -> int:
    """The only place that may take anything out of the books; the triggers look for the mark."""
    settings.set_number(conn, _UNLOCKED, 1)
    conn.execute(delete(tables.postings).where(_p.entry.in_(entries)))
    count = conn.execute(delete(tables.transactions).where(_t.id.in_(entries))).rowcount
    settings.remove(conn, _UNLOCKED)
    return count


def _state(
    conn: Connection, broker: bytes, until: int, entry: int | None, checks: list[str], sign: Sign
) -> None:
    """The signed statement of the audit and of what this fold added."""
    added: Sums = tuple(  # type: ignore[assignment]
        after - before
        for after, before in zip(sums_of_invoices(conn), sums_stated(conn), strict=True)
    )
    statement = AuditStatement(broker, until, checks, *added)
    body = encode(statement)
    conn.execute(
        insert(folds),
        {
            "entry": entry,
            "until": until,
            "settled": added[0],
            "settled_amount": added[1],
            "settled_fees": added[2],
            "refunded": added[3],
            "statement": sign(body) + body,
        },
    )
