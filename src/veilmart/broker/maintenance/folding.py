"""Folding: after thirty days a month's postings become one per account, without times.

Invoices name no customer; who paid one is known only through the postings of its hold. Once a month
is over for thirty days (the longest that stored answers are kept) the books are audited, the audit
is signed, and every posting of an order that ended in that month, of every credit, voucher and
payout, is replaced by one posting per account with their sum. Balances do not change. An intruder
who comes later cannot learn from the broker who bought from whom.

The audit and the reading of each part use snapshots beside the running purchases (on SQLite the
audit reads a copy). What is written is a small part at a time. Unfinished orders keep their
postings and are folded with the month in which they end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from veilmart.broker import settings
from veilmart.broker.audit import Pace, audit
from veilmart.broker.audit.sign_off import signed_lines, unsigned
from veilmart.broker.ledger.folded_sums import Sums, sums_of_ended
from veilmart.broker.ledger.stored_answers import ACTIONS
from veilmart.broker.schema import tables
from veilmart.broker.schema.upkeep_tables import folds
from veilmart.errors import LedgerViolated
from veilmart.limits import FOLD_AFTER_SECONDS
from veilmart.protocol import moments
from veilmart.protocol.order_key import operation_id

MARK = "folded until"
_ENDINGS = ("settle", "refund")
_OTHERS = (
    *("give back", "credit", "reverse", "payout", "voucher", "redeem", "void"),
    *("issue", "deposit", "exchange", "expire"),
)
_t, _p, _i = tables.transactions.c, tables.postings.c, tables.invoices.c
_f = folds.c

Sign = Callable[[bytes], bytes]
"""Signs with our identity under the label of audits."""


@dataclass(frozen=True, slots=True)
class Due:
    """Audited transactions to be folded: transactions up to number `last`.

    last: 0 when nothing of the months before `until` is left. checks: what the audit looked at,
    and the findings that the operator has signed off.
    """

    until: int
    last: int
    checks: list[str]


@dataclass(frozen=True, slots=True)
class Month:
    """What is stored of the month so far. id: of its row in `folds`; None before the first part.

    entry: the transaction that stands for its postings, if they left anything. statement:
    signature ‖ AuditStatement, b"" before the first part.
    """

    id: int | None
    entry: int | None
    sums: Sums
    statement: bytes


NO_MONTH = Month(None, None, (0, 0, 0, 0), b"")


@dataclass(frozen=True, slots=True)
class Part:
    """Transactions to fold together. last: the highest number that was looked at.

    ids: all of them. ended, given_back: orders that ended, or were given back. answers: operation
    ids of the ended ones. balances: account → sum of its postings, zeros left out. month: what the
    part is added to.
    """

    last: int
    ids: list[int]
    ended: list[bytes]
    given_back: list[bytes]
    answers: list[bytes]
    balances: dict[int, int]
    sums: Sums
    month: Month


def fold_until(now: int) -> int:
    """The end (Unix seconds) of the newest month that is over for thirty days."""
    day = moments.moment(now - FOLD_AFTER_SECONDS)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())


def is_due(conn: Connection, now: int) -> bool:
    """A reading: whether a month is over that has not been folded."""
    return settings.number(conn, MARK) < fold_until(now)


def audit_due(conn: Connection, now: int, pace: Pace) -> Due | None:
    """A long reading: what is due and the audit of it; None when nothing is.

    The books only grow, so what was in order in this snapshot is so when it is folded later.
    Raises LedgerViolated when the audit finds what nobody has signed off.
    """
    if not is_due(conn, now):
        return None
    until = fold_until(now)
    newest = select(func.max(_t.id)).where(_t.at < until, _t.kind.in_(_ENDINGS + _OTHERS))
    last = int(conn.execute(newest).scalar_one_or_none() or 0)
    if not last:
        return Due(until, 0, [])
    checks = audit(conn, pace=pace)
    signed = signed_lines(conn)
    broken = [check.name for check in unsigned(checks, signed)]
    if broken:
        raise LedgerViolated(f"Nothing is folded while the audit fails: {', '.join(broken)}.")
    allowed = [
        f"signed off: {found.name}, {found.row}" for check in checks for found in check.findings
    ]
    return Due(until, last, [*(check.name for check in checks), *allowed])


def read_part(conn: Connection, due: Due, after: int, size: int) -> Part | None:
    """A reading: the next part, of at most `size` endings; None when nothing is left.

    after: the `last` of the part before, 0 for the first.
    """
    query = (
        select(_t.id, _t.kind, _t.reference)
        .where(_t.id > after, _t.id <= due.last)
        .where(_t.at < due.until, _t.kind.in_(_ENDINGS + _OTHERS))
        .order_by(_t.id)
        .limit(size)
    )
    rows = conn.execute(query).all()
    if not rows:
        return None
    ended = [bytes(row.reference) for row in rows if row.kind in _ENDINGS]
    holds = conn.execute(select(_i.hold).where(_i.order.in_(ended), _i.hold.is_not(None)))
    ids = sorted({*(int(row.id) for row in rows), *(int(hold) for hold in holds.scalars())})
    total = func.sum(_p.amount)
    sums = (
        select(_p.account, total)
        .where(_p.entry.in_(ids))
        .group_by(_p.account)
        .having(total != 0)
        .order_by(_p.account)
    )
    return Part(
        last=int(rows[-1].id),
        ids=ids,
        ended=ended,
        given_back=[bytes(row.reference) for row in rows if row.kind == "give back"],
        answers=[operation_id(order, action) for order in ended for action in ACTIONS],
        balances={int(account): int(sum_) for account, sum_ in conn.execute(sums)},
        sums=sums_of_ended(conn, ended),
        month=month_so_far(conn, due.until),
    )


def month_so_far(conn: Connection, until: int, lock: bool = False) -> Month:
    """What was folded of the month that ends then; NO_MONTH before the first part.

    lock: keep others from adding to it until the end of the transaction.
    """
    newest = select(folds).where(_f.until == until).order_by(_f.id.desc()).limit(1)
    row = conn.execute(newest.with_for_update() if lock else newest).one_or_none()
    if row is None:
        return NO_MONTH
    sums = (row.settled, row.settled_amount, row.settled_fees, row.refunded)
    return Month(row.id, row.entry, sums, bytes(row.statement))
