"""Customers' accounts and the device keys that stand for a password on one machine.

Of a device key (32 random bytes) only the SHA-256 is kept. Times are written once a day at most,
so that using a device costs no commit.
"""

import hashlib
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from veilmart.broker.ledger import booking
from veilmart.broker.schema import tables
from veilmart.errors import NameTaken
from veilmart.limits import DEVICE_IDLE_MAX_SECONDS
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.name_key import name_key

DEVICE_BYTES = 32
DEVICES_PER_ACCOUNT_MAX = 16
TOUCH_EVERY_SECONDS = 24 * 3600

_by_name = (
    select(
        tables.customers.c.account,
        tables.customers.c.password_hash,
        tables.accounts.c.balance,
        tables.customers.c.disabled,
    )
    .join(tables.accounts, tables.accounts.c.id == tables.customers.c.account)
    .where(tables.customers.c.username == bindparam("of"))
)
_name_with_key = (
    select(tables.customers.c.username)
    .join(tables.name_keys, tables.name_keys.c.account == tables.customers.c.account)
    .where(tables.name_keys.c.key == bindparam("key"))
)
_new_key = insert(tables.name_keys)
_hash_of = select(tables.customers.c.password_hash).where(
    tables.customers.c.account == bindparam("of")
)
_new_customer = insert(tables.customers)
_new_password = (
    update(tables.customers)
    .where(tables.customers.c.account == bindparam("of"))
    .values(password_hash=bindparam("fresh"))
)
_device = select(tables.devices.c.last_used).where(
    tables.devices.c.hash == bindparam("key"),
    tables.devices.c.account == bindparam("of"),
    tables.devices.c.last_used > bindparam("since"),
)
_new_device = insert(tables.devices)
_touch = (
    update(tables.devices)
    .where(tables.devices.c.hash == bindparam("key"))
    .values(last_used=bindparam("now"))
)
_devices_of = (
    select(tables.devices.c.hash)
    .where(tables.devices.c.account == bindparam("of"))
    .order_by(tables.devices.c.last_used.desc(), tables.devices.c.hash)
)
_end_device = delete(tables.devices).where(tables.devices.c.hash == bindparam("key"))
_end_devices = delete(tables.devices).where(tables.devices.c.account == bindparam("of"))
_end_idle = delete(tables.devices).where(tables.devices.c.last_used <= bindparam("since"))


@dataclass(frozen=True, slots=True)
class Customer:
    """balance: minor units."""

    account: int
    username: str
    balance: int
    password_hash: str = field(repr=False)
    disabled: bool = False


def device_hash(device: bytes) -> bytes:
    return hashlib.sha256(device).digest()


def find_customer(conn: Connection, username: str) -> Customer | None:
    """By exactly this name, else by one that looks the same."""
    row = conn.execute(_by_name, {"of": username}).one_or_none()
    if row is None:
        key = {"key": name_key(username)}
        stored = conn.execute(_name_with_key, key).scalar_one_or_none()
        return None if stored is None else find_customer(conn, stored)
    return Customer(int(row[0]), username, int(row[2]), str(row[1]), bool(row[3]))


def password_hash(conn: Connection, account: int) -> str:
    return str(conn.execute(_hash_of, {"of": account}).scalar_one())


def add_customer(conn: Connection, username: str, hashed: str, device: bytes, now: int) -> int:
    """A new account with its first device key; returns its number. Raises NameTaken."""
    account = booking.open_account(conn, AccountKind.CUSTOMER)
    try:
        conn.execute(
            _new_customer, {"account": account, "username": username, "password_hash": hashed}
        )
        conn.execute(_new_key, {"key": name_key(username), "account": account})
    except IntegrityError as fault:
        raise NameTaken from fault
    add_device(conn, account, device, now)
    return account


def set_password(conn: Connection, account: int, hashed: str, device: bytes, now: int) -> None:
    """Replace the password; every device key but the new one ends."""
    replace_password(conn, account, hashed)
    add_device(conn, account, device, now)


def replace_password(conn: Connection, account: int, hashed: str) -> None:
    """A new password, and no machine is logged in any more."""
    conn.execute(_new_password, {"of": account, "fresh": hashed})
    conn.execute(_end_devices, {"of": account})


def add_device(conn: Connection, account: int, device: bytes, now: int) -> None:
    """Remember a device key (32 bytes); the account's least recently used ones make room."""
    conn.execute(_new_device, {"hash": device_hash(device), "account": account, "last_used": now})
    known = conn.execute(_devices_of, {"of": account}).scalars().all()
    for surplus in known[DEVICES_PER_ACCOUNT_MAX:]:
        conn.execute(_end_device, {"key": surplus})


def use_device(conn: Connection, account: int, device: bytes, now: int) -> bool:
    """Whether the device key belongs to the account and has not been idle for too long."""
    if len(device) != DEVICE_BYTES:
        return False
    key = device_hash(device)
    since = now - DEVICE_IDLE_MAX_SECONDS
    used = conn.execute(_device, {"key": key, "of": account, "since": since}).scalar_one_or_none()
    if used is None:
        return False
    if now - used >= TOUCH_EVERY_SECONDS:
        conn.execute(_touch, {"key": key, "now": now})
    return True


def end_idle_devices(conn: Connection, now: int) -> None:
    conn.execute(_end_idle, {"since": now - DEVICE_IDLE_MAX_SECONDS})
