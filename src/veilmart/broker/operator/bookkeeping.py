"""Booking cash that the operator takes in and pays out, and the list of accounts."""

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from veilmart.broker import settings
from veilmart.broker.accounts import customers
from veilmart.broker.keys import token_keys
from veilmart.broker.ledger import booking
from veilmart.broker.merchants import find_merchant
from veilmart.broker.operator import cash_references, merchant_requests, since_backup
from veilmart.broker.schema import tables
from veilmart.errors import (
    BadAmount,
    BadArgument,
    CreditRepeated,
    InsufficientBalance,
    NoSuchAccount,
    ReferenceNeeded,
)
from veilmart.protocol.accounting import format_amount, transfer

ROWS_AT_ONCE = 1000
REPEATED_SECONDS = 600
"""A credit of the same amount within so long may be the same command, given twice."""

_t, _p = tables.transactions.c, tables.postings.c
_booked_times = (
    select(func.count())
    .select_from(tables.transactions)
    .join(tables.postings, _p.entry == _t.id)
    .where(_p.account == bindparam("of"), _p.amount == bindparam("value"))
    .where(_t.kind == bindparam("kind"), _t.at > bindparam("since"))
)


class AccountLine(msgspec.Struct, frozen=True):
    account: int
    kind: str
    name: str
    balance: int


class Booked(msgspec.Struct, frozen=True):
    """Amounts in minor units; text for people."""

    name: str
    amount: int
    balance: int
    text: str


def account_lines(conn: Connection) -> Iterator[AccountLine]:
    """Every account with its owner's name; read while they are taken."""
    keys = {row.account: row.id.hex()[:8] for row in token_keys.living(conn)}
    a, c, m = tables.accounts.c, tables.customers.c, tables.merchants.c
    query = (
        select(a.id, a.kind, func.coalesce(c.username, m.name, ""), booking.true_balance)
        .select_from(tables.accounts)
        .join(tables.customers, c.account == a.id, isouter=True)
        .join(tables.merchants, m.account == a.id, isouter=True)
        .order_by(a.id)
    )
    for number, kind, name, balance in conn.execute(
        query, execution_options={"yield_per": ROWS_AT_ONCE}
    ):
        yield AccountLine(number, kind, name or keys.get(number, ""), balance)


def credit(
    conn: Connection,
    name: str,
    amount: int,
    merchant: bool,
    now: int,
    reference: str | None = None,
    *,
    repeats: bool = True,
) -> Booked:
    """Book cash paid in; repeating a reference changes nothing.

    repeats: whether the same amount may be booked twice within minutes without a reference.

    Raises NoSuchAccount, NoSuchMerchant, BadAmount, BadArgument, ReferenceUsed, CreditRepeated.
    """
    account = find_merchant(conn, name).account if merchant else _customer_account(conn, name)
    if reference is None or not cash_references.is_booked(
        conn, "credit", reference, account, amount
    ):
        if reference is None and not repeats:
            since = now - REPEATED_SECONDS
            if _times_booked(conn, "credit", account, amount, since):
                raise CreditRepeated
        entry = booking.pay_in(conn, "credit", b"", now, account, amount)
        if reference is not None:
            cash_references.keep(conn, "credit", reference, entry)
        settings.touch(conn)
    return _booked(conn, name, amount, account)


def payout(
    conn: Connection,
    name: str,
    amount: int,
    now: int,
    reference: str | None = None,
    *,
    before_restore: bool = False,
) -> Booked:
    """A merchant is paid out in cash, which answers a withdrawal it asked for.

    The same reference again changes nothing. Without one there has to be a withdrawal of that
    amount, so that the same command given twice does not pay twice. After a restore only what was
    paid since the backup is booked (`before_restore`), until the operator has confirmed the rest.

    Raises NoSuchMerchant, BadAmount, BadArgument, InsufficientBalance, ReferenceNeeded,
    ReferenceUsed, UnknownSinceBackup.
    """
    merchant = find_merchant(conn, name)
    account = merchant.account
    if amount <= 0:
        raise BadAmount("It must be more than zero.")
    if reference is not None and cash_references.is_booked(
        conn, "payout", reference, account, -amount
    ):
        return _booked(conn, name, amount, account)
    if not before_restore:
        since_backup.check_payouts(conn)
    _check_covered(conn, name, account, amount)
    entry = booking.book(conn, "payout", b"", now, transfer(account, tables.CASH, amount))
    asked = merchant_requests.mark_paid(conn, merchant.fingerprint, amount, now)
    if reference is not None:
        cash_references.keep(conn, "payout", reference, entry)
    elif asked is None:
        raise ReferenceNeeded
    settings.touch(conn)
    return _booked(conn, name, amount, account)


def reverse_credit(
    conn: Connection,
    name: str,
    amount: int,
    merchant: bool,
    now: int,
    reference: str | None = None,
) -> Booked:
    """Take a mistyped credit back, by a booking of its own: account → cash.

    There has to be a credit of exactly that amount that was not taken back, in months that are not
    folded yet. Repeating a reference changes nothing. Raises NoSuchAccount, NoSuchMerchant,
    BadArgument, ReferenceUsed, and InsufficientBalance when the money is not there any more.
    """
    account = find_merchant(conn, name).account if merchant else _customer_account(conn, name)
    if reference is not None and cash_references.is_booked(
        conn, "reverse", reference, account, -amount
    ):
        return _booked(conn, name, amount, account)
    booked = _times_booked(conn, "credit", account, amount)
    if booked <= _times_booked(conn, "reverse", account, -amount):
        raise BadArgument("No credit of exactly that amount is left to be taken back.")
    _check_covered(conn, name, account, amount)
    entry = booking.book(conn, "reverse", b"", now, transfer(account, tables.CASH, amount))
    if reference is not None:
        cash_references.keep(conn, "reverse", reference, entry)
    settings.touch(conn)
    return _booked(conn, name, amount, account)


def _times_booked(
    conn: Connection, kind: booking.TransactionKind, account: int, amount: int, since: int = -1
) -> int:
    """A reading: how many transactions of that kind after `since` changed the account by `amount`.

    Folded ones are not counted.
    """
    asked = {"of": account, "value": amount, "kind": kind, "since": since}
    return int(conn.execute(_booked_times, asked).scalar_one())


def _check_covered(conn: Connection, name: str, account: int, amount: int) -> None:
    """Raises InsufficientBalance if cash of that amount cannot leave the account."""
    if booking.balance_of(conn, account) < amount:
        error = InsufficientBalance(f"{name} has less than that.")
        error.hint = (
            "What was spent or paid out already is not there; `veilmart broker accounts` shows it."
        )
        raise error


def _customer_account(conn: Connection, name: str) -> int:
    found = customers.find_customer(conn, name)
    if found is None:
        raise NoSuchAccount(repr(name[:64]))
    return found.account


def _booked(conn: Connection, name: str, amount: int, account: int) -> Booked:
    balance, decimals = booking.balance_of(conn, account), settings.load(conn).decimals
    return Booked(name, amount, balance, format_amount(balance, decimals))
