"""Cash the operator takes in and pays out, and the list of accounts. Each returns a struct."""

import msgspec
from sqlalchemy import Connection, select

from veilmart.broker import merchants, settings
from veilmart.broker.accounts import customers
from veilmart.broker.keys import token_keys
from veilmart.broker.ledger import booking
from veilmart.broker.merchants import find_merchant
from veilmart.broker.operator import merchant_requests
from veilmart.broker.schema import tables
from veilmart.errors import (
    BadAmount,
    InsufficientBalance,
    NoSuchAccount,
)
from veilmart.limits import INTEGER_MAX
from veilmart.protocol.accounting import format_amount, transfer


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


def account_lines(conn: Connection) -> list[AccountLine]:
    """Every account with its owner's name."""
    names: dict[int, str] = {
        row[0]: row[1]
        for row in conn.execute(select(tables.customers.c.account, tables.customers.c.username))
    }
    names |= {view.account: view.name for view in merchants.load_merchants(conn)}
    names |= {row.account: row.id.hex()[:8] for row in token_keys.living(conn)}
    query = select(tables.accounts.c.id, tables.accounts.c.kind, booking.true_balance)
    return [
        AccountLine(row[0], row[1], names.get(row[0], ""), row[2])
        for row in conn.execute(query.order_by(tables.accounts.c.id))
    ]


def credit(conn: Connection, name: str, amount: int, merchant: bool, now: int) -> Booked:
    """Somebody paid cash in. Raises NoSuchAccount, NoSuchMerchant, BadAmount."""
    account = find_merchant(conn, name).account if merchant else _customer_account(conn, name)
    _check_amount(amount)
    if amount - booking.balance_of(conn, tables.CASH) > INTEGER_MAX:
        # Cash mirrors everything paid in, so no account can ever hold more than a message can say.
        raise BadAmount("All accounts together would hold too much.")
    booking.book(conn, "credit", b"", now, transfer(tables.CASH, account, amount))
    settings.touch(conn)
    return _booked(conn, name, amount, account)


def payout(conn: Connection, name: str, amount: int, now: int) -> Booked:
    """A merchant is paid out in cash, which answers a withdrawal it asked for.

    Raises NoSuchMerchant, BadAmount, InsufficientBalance.
    """
    merchant = find_merchant(conn, name)
    account = merchant.account
    _check_amount(amount)
    if booking.balance_of(conn, account) < amount:
        raise InsufficientBalance(f"{name} has less than that.")
    booking.book(conn, "payout", b"", now, transfer(account, tables.CASH, amount))
    merchant_requests.mark_paid(conn, merchant.fingerprint, amount, now)
    settings.touch(conn)
    return _booked(conn, name, amount, account)


def _check_amount(amount: int) -> None:
    if amount <= 0:
        raise BadAmount("It has to be more than zero.")


def _customer_account(conn: Connection, name: str) -> int:
    found = customers.find_customer(conn, name)
    if found is None:
        raise NoSuchAccount(repr(name[:64]))
    return found.account


def _booked(conn: Connection, name: str, amount: int, account: int) -> Booked:
    balance, decimals = booking.balance_of(conn, account), settings.load(conn).decimals
    return Booked(name, amount, balance, format_amount(balance, decimals))
