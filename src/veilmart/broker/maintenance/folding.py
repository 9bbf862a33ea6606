"""Folding: after thirty days a month's postings become one per account, without times.

Design section 9. Invoices name no customer; who paid one is known only through the postings of
its hold. Once a month is over for thirty days (the longest that stored answers are kept) the books
are audited, the audit is signed, and every posting of an order that ended in that month, of every
credit, voucher and payout, is replaced by one posting per account with their sum. Balances do not
change. A broker that is broken into later cannot tell any more who bought from whom.

The audit reads a snapshot beside the running purchases, and folding goes on in small parts between
them. Whatever is still under way keeps its postings and is folded with the month in which it ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from veilmart.broker import settings
from veilmart.broker.audit import audit
from veilmart.broker.audit.sign_off import signed_lines, unsigned
from veilmart.broker.ledger.folded_sums import UNLOCKED, AuditStatement, Sums, sums_of_ended
from veilmart.broker.schema import tables
from veilmart.broker.schema.dispute_tables import disputes
from veilmart.broker.schema.operator_tables import ISSUED, folds, vouchers
from veilmart.broker.schema.token_tables import spent_tokens
from veilmart.errors import LedgerViolated
from veilmart.limits import FOLD_AFTER_SECONDS
from veilmart.protocol.encoding import encode

FOLDED_AT_ONCE = 500
_DAY_SECONDS = 24 * 3600
_MARK = "folded until"
_ENDINGS = ("settle", "refund")
_OTHERS = (
    *("give back", "credit", "payout", "voucher", "redeem", "void"),
    *("issue", "deposit", "exchange", "expire"),
)
_t, _p, _i, _o, _r = (
    tables.transactions.c,
    tables.postings.c,
    tables.invoices.c,
    tables.operations.c,
    tables.reports.c,
)
_d = disputes.c

Sign = Callable[[bytes], bytes]
"""Signs with our identity under the label of audits."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be folded, and has been audited: transactions up to number `last`.

    last: 0 when nothing of the months before `until` is left. checks: what the audit looked at,
    and the findings that the operator has signed off.
    """

    until: int
    last: int
    checks: list[str]


def fold_until(now: int) -> int:
    """The end (Unix seconds) of the newest month that is over for thirty days."""
    day = datetime.fromtimestamp(now - FOLD_AFTER_SECONDS, tz=UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())


def audit_due(conn: Connection, now: int) -> Due | None:
    """A reading, however long: what is due and the audit of it; None when nothing is.

    The books only grow, so what was in order in this snapshot is so when it is folded later.
    Raises LedgerViolated when the audit finds what nobody has signed off.
    """
    until = fold_until(now)
    if settings.number(conn, _MARK) >= until:
        return None
    newest = select(func.max(_t.id)).where(_t.at < until, _t.kind.in_(_ENDINGS + _OTHERS))
    last = int(conn.execute(newest).scalar_one_or_none() or 0)
    if not last:
        return Due(until, 0, [])
    checks = audit(conn)
    signed = signed_lines(conn)
    broken = [check.name for check in unsigned(checks, signed)]
    if broken:
        raise LedgerViolated(f"Nothing is folded while the audit fails: {', '.join(broken)}.")
    allowed = [
        f"signed off: {found.name}, {found.row}" for check in checks for found in check.findings
    ]
    return Due(until, last, [*(check.name for check in checks), *allowed])


def fold(conn: Connection, broker: bytes, due: Due, sign: Sign) -> int:
    """Transaction: fold the next part of what is due; how many transactions became one.

    0 when nothing is left. A part is small: purchases wait for it about as long as for each other.
    """
    last = _part(conn, due)
    if last is None:
        # Vouchers that ended in a folded month have nothing left to be compared with.
        # One whose end came later than the audit, by a clock that was set back, still has.
        ending = _t.kind.in_(("redeem", "void")) & (_t.reference == vouchers.c.hash)
        gone = delete(vouchers).where(
            vouchers.c.state != ISSUED,
            vouchers.c.ended_at < due.until,
            ~select(_t.id).where(ending).correlate(vouchers).exists(),
        )
        conn.execute(gone)
        settings.set_number(conn, _MARK, due.until)
        return 0
    entries = _entries(due.until, last)
    ended = select(_t.reference).where(_t.id.in_(entries), _t.kind.in_(_ENDINGS))
    added = sums_of_ended(conn, ended)
    entry = _book_sums(conn, entries, due.until)
    given_back = select(_t.reference).where(_t.id.in_(entries), _t.kind == "give back")
    _forget_payers(conn, ended, given_back)
    count = _delete(conn, entries)
    _state(conn, broker, due, entry, added, sign)
    return count


def _part(conn: Connection, due: Due) -> int | None:
    """The number of the newest transaction of the next part."""
    numbers = (
        select(_t.id)
        .where(_t.id <= due.last, _t.at < due.until, _t.kind.in_(_ENDINGS + _OTHERS))
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


def _forget_payers(conn: Connection, ended: Select[Any], given_back: Select[Any]) -> None:
    """Cut invoices off from the transactions that paid them; of times only the day stays."""
    conn.execute(
        update(tables.invoices)
        .where(_i.order.in_(ended))
        .values(hold=None, due=0, held_at=_i.held_at - _i.held_at % _DAY_SECONDS)
    )
    conn.execute(
        update(tables.reports)
        .where(_r.order.in_(ended) | _r.order.in_(given_back))
        .values(at=_r.at - _r.at % _DAY_SECONDS)
    )
    conn.execute(
        update(disputes).where(_d.order.in_(ended)).values(at=_d.at - _d.at % _DAY_SECONDS)
    )
    conn.execute(update(spent_tokens).where(spent_tokens.c.order.in_(ended)).values(answer=None))
    # A stored answer's body hash would let accounts be tried one by one.
    conn.execute(delete(tables.operations).where(_o.order.in_(ended)))


def _delete(conn: Connection, entries: ColumnElement[int]) -> int:
    """The only place that may take anything out of the books; the triggers look for the mark."""
    settings.set_number(conn, UNLOCKED, 1)
    conn.execute(delete(tables.postings).where(_p.entry.in_(entries)))
    count = conn.execute(delete(tables.transactions).where(_t.id.in_(entries))).rowcount
    settings.remove(conn, UNLOCKED)
    return count


def _state(
    conn: Connection, broker: bytes, due: Due, entry: int | None, added: Sums, sign: Sign
) -> None:
    """The signed statement of the audit and of what this fold added."""
    body = encode(AuditStatement(broker, due.until, due.checks, *added))
    conn.execute(
        insert(folds),
        {
            "entry": entry,
            "until": due.until,
            "settled": added[0],
            "settled_amount": added[1],
            "settled_fees": added[2],
            "refunded": added[3],
            "statement": sign(body) + body,
        },
    )
