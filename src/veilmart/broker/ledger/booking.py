"""The books: one way to move money, `book` (docs/protocol/09-purchase.md, section 6).

The pure rules are in protocol/accounting.py; the database enforces once more that nothing but
cash goes below zero and that transactions and postings are never changed.
"""

from typing import Literal

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from veilmart.broker.ledger import hot_rows
from veilmart.broker.schema import tables
from veilmart.errors import BadAmount, LedgerViolated
from veilmart.limits import INTEGER_MAX
from veilmart.protocol.accounting import AccountKind, Posting, check_transaction, transfer
from veilmart.storage.database.prepared import Prepared

TransactionKind = Literal[
    "hold",
    "settle",
    "refund",
    "give back",
    "credit",
    "reverse",
    "payout",
    "voucher",
    "redeem",
    "void",
    "fold",
    "issue",
    "deposit",
    "exchange",
    "expire",
]
"""The last four are tokens': withdrawn, deposited, taken too late, ended with their key."""

_OF_CUSTOMERS = ("hold", "refund", "issue", "deposit")
"""What is written at once in these is a customer's balance, of which nothing is ever pending."""

_new_account = insert(tables.accounts).returning(tables.accounts.c.id)
_new_transaction = Prepared(insert(tables.transactions).returning(tables.transactions.c.id))
_new_posting = Prepared(insert(tables.postings))
_move = Prepared(
    update(tables.accounts)
    .where(tables.accounts.c.id == bindparam("of"))
    .values(balance=tables.accounts.c.balance + bindparam("change"))
)
true_balance = tables.accounts.c.balance + hot_rows.pending_of(tables.accounts.c.id)
"""SQL: an account's balance, including moves that are not added up yet."""
_balance = Prepared(select(true_balance).where(tables.accounts.c.id == bindparam("of")))
_by_kind = select(tables.accounts.c.id).where(tables.accounts.c.kind == bindparam("of"))
_payer = (
    select(tables.postings.c.account)
    .where(tables.postings.c.entry == bindparam("entry_of"))
    .where(tables.postings.c.amount < 0)
)
_sum_by_kind = (
    select(tables.accounts.c.kind, func.sum(true_balance))
    .group_by(tables.accounts.c.kind)
    .order_by(tables.accounts.c.kind)
)


def open_account(conn: Connection, kind: AccountKind) -> int:
    """A new account with balance 0; returns its number."""
    return int(conn.execute(_new_account, {"kind": kind.value}).scalar_one())


def account_of(conn: Connection, kind: AccountKind) -> int:
    """The one account of a kind that has one; opened when it is first needed."""
    known = conn.execute(_by_kind, {"of": kind.value}).scalar_one_or_none()
    return open_account(conn, kind) if known is None else int(known)


def balance_of(conn: Connection, account: int) -> int:
    """Balance in minor units. Raises LedgerViolated for an account that is not there."""
    balance = _balance.value(conn, {"of": account})
    if balance is None:
        raise LedgerViolated(f"There is no account {account}.")
    return int(balance)


def payer_of(conn: Connection, hold: int) -> int:
    """The account that a hold transaction took its money from."""
    return int(conn.execute(_payer, {"entry_of": hold}).scalar_one())


def totals(conn: Connection) -> dict[str, int]:
    """Sum of the balances of each kind of account."""
    return {str(kind): int(total) for kind, total in conn.execute(_sum_by_kind)}


def book(
    conn: Connection,
    kind: TransactionKind,
    reference: bytes,
    at: int,
    moves: tuple[Posting, ...],
    hot: frozenset[int] = frozenset(),
) -> int:
    """Append one transaction and its postings, move the balances; returns its number.

    hot: accounts of `moves` that many transactions change at once, as those of tokens. What is
    taken from any other account the database refuses by itself where it is not there.

    Raises LedgerViolated, with nothing booked, when the postings do not sum to zero, an account
    is missing or would go below zero, or the order's money was held or given away already.
    """
    check_transaction(moves)
    try:
        entry = int(_new_transaction.value(conn, {"kind": kind, "reference": reference, "at": at}))
        _new_posting.run_each(
            conn,
            [{"entry": entry, "account": move.account, "amount": move.amount} for move in moves],
        )
        _write_balances(conn, kind, moves, hot)
    except IntegrityError as fault:
        raise LedgerViolated(f"A transaction of the kind {kind} was refused.") from fault
    return entry


def pay_in(
    conn: Connection, kind: TransactionKind, reference: bytes, at: int, account: int, amount: int
) -> int:
    """Cash → account: the only way in which money comes into the books; returns the transaction.

    Cash mirrors everything paid in, so no account can ever hold more than a message can say.
    Raises BadAmount.
    """
    if amount <= 0:
        raise BadAmount("It must be more than zero.")
    if amount - balance_of(conn, tables.CASH) > INTEGER_MAX:
        raise BadAmount("All accounts together would hold too much.")
    return book(conn, kind, reference, at, transfer(tables.CASH, account, amount))


def _write_balances(
    conn: Connection, kind: TransactionKind, moves: tuple[Posting, ...], hot: frozenset[int]
) -> None:
    at_once = list(moves)
    if hot_rows.are_deferred(conn):
        at_once, later = hot_rows.split(kind, moves, hot)
        hot_rows.append(conn, later)
        if kind not in _OF_CUSTOMERS:
            for move in at_once:
                hot_rows.add_up_account(conn, move.account)
    for move in at_once:
        if not _move.run(conn, {"of": move.account, "change": move.amount}):
            raise LedgerViolated(f"There is no account {move.account}.")
