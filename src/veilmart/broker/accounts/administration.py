"""What the operator does with customers' accounts: list, disable, enable, reset the password."""

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from veilmart.broker import settings
from veilmart.broker.accounts import customers, guess_limit
from veilmart.broker.schema import tables
from veilmart.broker.schema.operator_tables import ended_logins
from veilmart.errors import NoSuchAccount
from veilmart.limits import SESSION_SECONDS

_c, _e = tables.customers.c, ended_logins.c
_disable = (
    update(tables.customers).where(_c.account == bindparam("of")).values(disabled=bindparam("flag"))
)
_is_disabled = select(_c.disabled).where(_c.account == bindparam("of"))
_ended_since = select(_e.id, _e.account).where(_e.id > bindparam("last")).order_by(_e.id)


class UserLine(msgspec.Struct, frozen=True):
    """balance: minor units. devices: machines that are logged in."""

    account: int
    username: str
    balance: int
    disabled: bool
    devices: int


def user_lines(conn: Connection) -> list[UserLine]:
    """Every customer, by name."""
    devices = (
        select(tables.devices.c.account, func.count().label("count"))
        .group_by(tables.devices.c.account)
        .subquery()
    )
    query = (
        select(
            _c.account,
            _c.username,
            tables.accounts.c.balance,
            _c.disabled,
            func.coalesce(devices.c.count, 0),
        )
        .join(tables.accounts, tables.accounts.c.id == _c.account)
        .join(devices, devices.c.account == _c.account, isouter=True)
        .order_by(_c.username)
    )
    return [UserLine(r[0], r[1], r[2], bool(r[3]), r[4]) for r in conn.execute(query)]


def disable(conn: Connection, username: str, flag: bool, now: int) -> int:
    """Disable or enable an account; return its number.

    Paid orders continue under their order keys.

    Raises NoSuchAccount.
    """
    account = _account(conn, username)
    conn.execute(_disable, {"of": account, "flag": int(flag)})
    if flag:
        _end_logins(conn, account, now)
    return account


def reset(conn: Connection, username: str, hashed: str, now: int) -> int:
    """A new password; every machine is logged out. Raises NoSuchAccount."""
    account = _account(conn, username)
    customers.replace_password(conn, account, hashed)
    guess_limit.forgive(conn, guess_limit.name_mac(settings.load(conn).guess_secret, username))
    _end_logins(conn, account, now)
    return account


def is_disabled(conn: Connection, account: int) -> bool:
    return bool(conn.execute(_is_disabled, {"of": account}).scalar_one_or_none())


def ended_since(conn: Connection, last: int) -> list[tuple[int, int]]:
    """(number, account) of logins that a command ended after number `last`."""
    return [(row[0], row[1]) for row in conn.execute(_ended_since, {"last": last})]


def forget_ended(conn: Connection, now: int) -> None:
    """Delete old records of logins that a command ended: no session is older than an hour."""
    conn.execute(delete(ended_logins).where(_e.at < now - 2 * SESSION_SECONDS))


def _account(conn: Connection, username: str) -> int:
    found = customers.find_customer(conn, username)
    if found is None:
        raise NoSuchAccount(repr(username[:64]))
    return found.account


def _end_logins(conn: Connection, account: int, now: int) -> None:
    conn.execute(insert(ended_logins), {"account": account, "at": now})
    settings.touch(conn)
