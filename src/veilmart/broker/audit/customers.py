"""Customers and their machines. A finding names the account's number, never a name or a hash."""

from itertools import groupby

from sqlalchemy import Connection, select

from veilmart.broker.accounts.customers import DEVICES_PER_ACCOUNT_MAX
from veilmart.broker.audit.findings import Tally, stream
from veilmart.broker.audit.trusted_keys import Known
from veilmart.broker.schema import tables
from veilmart.characters import is_plain
from veilmart.limits import USERNAME_MAX_BYTES
from veilmart.protocol.accounting import AccountKind

_a, _c, _d = tables.accounts.c, tables.customers.c, tables.devices.c
_HASH_BYTES = 32
_PASSWORDS = "$argon2id$"


def check_customers(conn: Connection, known: Known, tally: Tally) -> None:
    """Each has an account of the kind customer, a possible name, a hash of a password."""
    query = (
        select(_c.account, _c.username, _c.password_hash, _c.disabled, _a.kind)
        .join(tables.accounts, _a.id == _c.account, isouter=True)
        .order_by(_c.account)
    )
    for account, username, hashed, disabled, kind in stream(conn, query):
        tally.row()
        name = f"customer of account {account}"
        if kind != AccountKind.CUSTOMER:
            tally.find("customer-account", name, f"The account is of the kind {kind}.")
        if not 0 < len(username.encode()) <= USERNAME_MAX_BYTES or not is_plain(username):
            tally.find("customer-name", name, "Nobody can have that username.")
        if not hashed.startswith(_PASSWORDS) or disabled not in (0, 1):
            tally.find("customer-password", name, "The password's hash is of no kind we make.")


def check_devices(conn: Connection, known: Known, tally: Tally) -> None:
    """Each is a hash that belongs to a customer, who has not more than there can be."""
    query = (
        select(_d.account, _d.hash, _c.account)
        .join(tables.customers, _c.account == _d.account, isouter=True)
        .order_by(_d.account)
    )
    for account, rows in groupby(stream(conn, query), key=lambda row: row[0]):
        name, count = f"devices of account {account}", 0
        for _account, hashed, customer in rows:
            tally.row()
            count += 1
            if customer is None:
                tally.find("device-account", name, "The account belongs to nobody.")
            if len(hashed) != _HASH_BYTES:
                tally.find("device-hash", name, f"One has {len(hashed)} bytes.")
        if count > DEVICES_PER_ACCOUNT_MAX:
            tally.find("device-surplus", name, f"There are {count}.")
