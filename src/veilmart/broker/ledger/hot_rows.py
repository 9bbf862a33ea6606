"""Rows that every purchase would write: deferred where several servers share them.

The escrow's and a merchant's balance and a merchant's report sequence change with every purchase.
On PostgreSQL purchases would queue up behind these rows, so a purchase only appends what is to be
added, and one server at a time adds it up (docs/protocol/09-purchase.md, section 6). A balance is
what is stored plus what is pending, at every commit. SQLite has one writer: nothing is pending.
"""

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from veilmart.broker.schema import tables
from veilmart.protocol.accounting import Posting
from veilmart.storage.database.isolation import statement

_pending = tables.pending_moves.c
_append = insert(tables.pending_moves)
_add_up = text("""
WITH sums AS (SELECT account, sum(amount) AS change FROM pending_moves GROUP BY account),
good AS (SELECT sums.account FROM sums JOIN accounts ON accounts.id = sums.account
         WHERE accounts.kind = 'cash' OR accounts.balance + sums.change >= 0),
gone AS (DELETE FROM pending_moves USING good WHERE pending_moves.account = good.account
         RETURNING pending_moves.account, pending_moves.amount),
moved AS (SELECT account, sum(amount) AS change FROM gone GROUP BY account)
UPDATE accounts SET balance = accounts.balance + moved.change
FROM moved WHERE accounts.id = moved.account
""")
_find_overdrawn = text("""
WITH sums AS (SELECT account, sum(amount) AS change FROM pending_moves GROUP BY account)
SELECT sums.account FROM sums JOIN accounts ON accounts.id = sums.account
WHERE accounts.kind <> 'cash' AND accounts.balance + sums.change < 0 ORDER BY sums.account
""")
_take_back = (
    delete(tables.pending_moves)
    .where(_pending.account == bindparam("of"))
    .returning(_pending.amount)
)
_move = (
    update(tables.accounts)
    .where(tables.accounts.c.id == bindparam("of"))
    .values(balance=tables.accounts.c.balance + bindparam("change"))
)
_append_report = insert(tables.pending_reports)
_take_reports = (
    delete(tables.pending_reports)
    .where(tables.pending_reports.c.merchant == bindparam("of"))
    .returning(
        tables.pending_reports.c.id,
        tables.pending_reports.c.order,
        tables.pending_reports.c.event,
        tables.pending_reports.c.at,
    )
)
_advance = (
    update(tables.merchants)
    .where(tables.merchants.c.fingerprint == bindparam("of"))
    .values(last_sequence=tables.merchants.c.last_sequence + bindparam("count"))
    .returning(tables.merchants.c.last_sequence)
)
_add_report = insert(tables.reports)
_merchants_waiting = select(tables.pending_reports.c.merchant).distinct()


def are_deferred(conn: Connection) -> bool:
    """Whether hot rows are written later, several changes at once."""
    return conn.dialect.name == "postgresql"


def split(
    kind: str, moves: tuple[Posting, ...], hot: frozenset[int]
) -> tuple[list[Posting], list[Posting]]:
    """(at once, later). Later: escrow's side of a purchase, all of a settlement, and hot accounts.

    A customer's own balance is always written at once, so the database itself refuses to let it
    fall below zero. Anyone who passes a tokens account as hot has seen that it holds plenty.
    """
    if kind == "settle":
        return [], list(moves)
    if kind in ("hold", "refund"):
        hot |= {tables.ESCROW}
    later = [m for m in moves if m.account in hot]
    return [m for m in moves if m not in later], later


def append(conn: Connection, moves: list[Posting]) -> None:
    """Part of the transaction that books: the moves to add to the balances later."""
    if moves:
        conn.execute(_append, [{"account": m.account, "amount": m.amount} for m in moves])


@statement
def add_up(conn: Connection) -> list[int]:
    """Transaction: every pending move into its balance, in one statement.

    An account that would go below zero keeps its pending moves, where the audit finds them, and
    holds nobody else up; returns the numbers of such accounts.
    """
    if not are_deferred(conn):
        return []
    conn.execute(_add_up)
    return [int(number) for number in conn.execute(_find_overdrawn).scalars()]


def add_up_account(conn: Connection, account: int) -> None:
    """Part of a transaction that is about to write this account's stored balance itself."""
    taken = sum(conn.execute(_take_back, {"of": account}).scalars())
    if taken:
        conn.execute(_move, {"of": account, "change": taken})


def pending_of(account: object) -> object:
    """SQL: what is pending for the account with that number, 0 for nothing."""
    total = select(func.coalesce(func.sum(_pending.amount), 0)).where(_pending.account == account)
    return total.correlate(tables.accounts).scalar_subquery()


def append_report(conn: Connection, merchant: bytes, order: bytes, event: str, at: int) -> None:
    """Part of a transaction: a report that gets its number later."""
    row = {"merchant": merchant, "order": order, "event": event, "at": at}
    conn.execute(_append_report, row)


def number_reports(conn: Connection, merchant: bytes) -> None:
    """Part of a transaction: give the merchant's waiting reports their numbers, oldest first."""
    rows = sorted(tuple(row) for row in conn.execute(_take_reports, {"of": merchant}))
    if not rows:
        return
    last = int(conn.execute(_advance, {"of": merchant, "count": len(rows)}).scalar_one())
    first = last - len(rows) + 1
    conn.execute(
        _add_report,
        [
            {"merchant": merchant, "sequence": first + n, "order": order, "event": event, "at": at}
            for n, (_id, order, event, at) in enumerate(rows)
        ],
    )


@statement
def merchants_waiting(conn: Connection) -> list[bytes]:
    """Transaction: merchants with reports that have no number yet."""
    return list(conn.execute(_merchants_waiting).scalars()) if are_deferred(conn) else []
