"""The brokers a merchant accepts: pinned by fingerprint, with the newest descriptor seen."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import NoSuchBroker
from veilmart.merchant.goods.shop_row import touch
from veilmart.merchant.schema.tables import brokers
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.storage.database.columns import AnyRow


@dataclass(frozen=True)
class PinnedBroker:
    """fingerprint: 32 bytes. balance: minor units, as the broker last reported it."""

    id: int
    fingerprint: bytes
    url: str
    known: SignedDescriptor
    balance: int
    reported: int


_ALL = select(brokers).order_by(brokers.c.id)
_RENEW = (
    update(brokers)
    .where(brokers.c.id == bindparam("broker_id"))
    .values(descriptor=bindparam("signed"))
)


def _pinned(row: AnyRow) -> PinnedBroker:
    return PinnedBroker(
        row.id,
        row.fingerprint,
        row.url,
        read_descriptor(row.descriptor),
        row.balance,
        row.reported,
    )


def pin_broker(connection: Connection, url: str, known: SignedDescriptor) -> None:
    """Transaction: accept a broker whose fingerprint a person has confirmed."""
    connection.execute(
        insert(brokers).values(
            fingerprint=known.fingerprint,
            url=url,
            descriptor=known.signed,
            balance=0,
            reported=0,
        )
    )
    touch(connection)


def load_brokers(connection: Connection) -> tuple[PinnedBroker, ...]:
    """Transaction: all accepted brokers, in the order they were pinned."""
    return tuple(_pinned(row) for row in connection.execute(_ALL))


def choose_broker(connection: Connection, text: str | None) -> PinnedBroker:
    """Transaction: by its address, or by the beginning of its fingerprint; None: the only one.

    Raises NoSuchBroker unless that is just one.
    """
    found = load_brokers(connection)
    if text is not None:
        wanted = text.strip().lower()
        found = tuple(
            broker
            for broker in found
            if broker.url == text
            or (wanted and format_fingerprint(broker.fingerprint).startswith(wanted))
        )
    if len(found) != 1:
        raise NoSuchBroker(f"There are {len(found)} that it could be.")
    return found[0]


def renew_broker(connection: Connection, broker: int, fresh: SignedDescriptor) -> None:
    """Transaction: remember a newer descriptor that the broker has shown and that was checked."""
    connection.execute(_RENEW, {"broker_id": broker, "signed": fresh.signed})
    touch(connection)
