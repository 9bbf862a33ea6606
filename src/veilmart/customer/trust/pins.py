"""Whom the wallet trusts: transactions on pinned brokers, merchants and logins."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.schema.tables import brokers, logins, merchants
from veilmart.storage.database.prepared import Prepared


@dataclass(frozen=True)
class PinnedBroker:
    """fingerprint: 32 bytes; descriptor: the newest one accepted, signed bytes."""

    fingerprint: bytes
    url: str
    descriptor: bytes = field(repr=False)


@dataclass(frozen=True)
class PinnedMerchant:
    """descriptor: the newest one accepted, or None before the first was seen."""

    broker: bytes
    fingerprint: bytes
    descriptor: bytes | None = field(repr=False)


@dataclass(frozen=True)
class StoredLogin:
    """device: the 32-byte device key that stands for the password on this machine."""

    username: str
    device: bytes = field(repr=False)


_BROKERS = select(brokers.c.fingerprint, brokers.c.url, brokers.c.descriptor).order_by(
    brokers.c.joined_at.desc()
)
_BROKER_BY_URL = Prepared(_BROKERS.where(brokers.c.url == bindparam("at_url")))
_BROKER_BY_PRINT = Prepared(_BROKERS.where(brokers.c.fingerprint == bindparam("at_print")))
_PIN_BROKER = insert(brokers)
_PIN_BROKER = _PIN_BROKER.on_conflict_do_update(
    index_elements=[brokers.c.fingerprint],
    set_={
        "url": _PIN_BROKER.excluded.url,
        "descriptor": _PIN_BROKER.excluded.descriptor,
        "joined_at": _PIN_BROKER.excluded.joined_at,
    },
)
_MERCHANTS = (
    select(merchants.c.broker, merchants.c.fingerprint, merchants.c.descriptor)
    .where(merchants.c.broker == bindparam("at_broker"))
    .order_by(merchants.c.joined_at.desc())
)
_MERCHANT = Prepared(_MERCHANTS.where(merchants.c.fingerprint == bindparam("at_print")))
_PIN_MERCHANT = insert(merchants)
_PIN_MERCHANT = _PIN_MERCHANT.on_conflict_do_update(
    index_elements=[merchants.c.broker, merchants.c.fingerprint],
    set_={
        "descriptor": _PIN_MERCHANT.excluded.descriptor,
        "joined_at": _PIN_MERCHANT.excluded.joined_at,
    },
)
_LOGIN = select(logins.c.username, logins.c.device).where(logins.c.broker == bindparam("at_broker"))
_SAVE_LOGIN = insert(logins)
_SAVE_LOGIN = _SAVE_LOGIN.on_conflict_do_update(
    index_elements=[logins.c.broker],
    set_={"username": _SAVE_LOGIN.excluded.username, "device": _SAVE_LOGIN.excluded.device},
)
_DROP_LOGIN = delete(logins).where(logins.c.broker == bindparam("at_broker"))


def pin_broker(connection: Connection, pin: PinnedBroker, now: int) -> None:
    """Trust a broker, or record its newest descriptor; it becomes the current one."""
    values = {
        "fingerprint": pin.fingerprint,
        "url": pin.url,
        "descriptor": pin.descriptor,
        "joined_at": now,
    }
    connection.execute(_PIN_BROKER, values)


def current_broker(connection: Connection) -> PinnedBroker | None:
    """The broker joined or used last."""
    row = connection.execute(_BROKERS.limit(1)).first()
    return None if row is None else PinnedBroker(*row)


def all_brokers(connection: Connection) -> list[PinnedBroker]:
    """The one used last comes first."""
    return [PinnedBroker(*row) for row in connection.execute(_BROKERS)]


def broker_at(connection: Connection, url: str) -> PinnedBroker | None:
    """The broker pinned last under this URL."""
    row = _BROKER_BY_URL.first(connection, {"at_url": url})
    return None if row is None else PinnedBroker(*row)


def broker_named(connection: Connection, fingerprint: bytes) -> PinnedBroker | None:
    row = _BROKER_BY_PRINT.first(connection, {"at_print": fingerprint})
    return None if row is None else PinnedBroker(*row)


def pin_merchant(connection: Connection, pin: PinnedMerchant, now: int) -> None:
    """Trust a merchant at a broker, or record its newest descriptor."""
    values = {
        "broker": pin.broker,
        "fingerprint": pin.fingerprint,
        "descriptor": pin.descriptor,
        "joined_at": now,
    }
    connection.execute(_PIN_MERCHANT, values)


def pinned_merchants(connection: Connection, broker: bytes) -> list[PinnedMerchant]:
    """The one used last comes first."""
    rows = connection.execute(_MERCHANTS, {"at_broker": broker})
    return [PinnedMerchant(*row) for row in rows]


def pinned_merchant(
    connection: Connection, broker: bytes, merchant: bytes
) -> PinnedMerchant | None:
    row = _MERCHANT.first(connection, {"at_broker": broker, "at_print": merchant})
    return None if row is None else PinnedMerchant(*row)


def stored_login(connection: Connection, broker: bytes) -> StoredLogin | None:
    row = connection.execute(_LOGIN, {"at_broker": broker}).first()
    return None if row is None else StoredLogin(*row)


def save_login(connection: Connection, broker: bytes, login: StoredLogin) -> None:
    values = {"broker": broker, "username": login.username, "device": login.device}
    connection.execute(_SAVE_LOGIN, values)


def drop_login(connection: Connection, broker: bytes) -> None:
    connection.execute(_DROP_LOGIN, {"at_broker": broker})
