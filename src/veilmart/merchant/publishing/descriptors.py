"""The merchant's descriptor: renewed by itself, a new serial whenever anything in it changes.

An earlier descriptor stays good for tunnels and offers until its own end, so that customers who
fetched it a moment ago are not turned away (protocol 3.2: 24 h overlap).
"""

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

from veilmart.crypto import identity
from veilmart.crypto.suite import all_suites
from veilmart.errors import ChangedTooOften, DescriptorUnknown, NotInitialised
from veilmart.limits import (
    CHANGES_PER_EPOCH_MAX,
    CLOCK_SKEW_SECONDS,
    DESCRIPTOR_OVERLAP_SECONDS,
    DESCRIPTOR_SECONDS,
)
from veilmart.merchant.goods.shelves import load_shelves
from veilmart.merchant.goods.shop_row import forget_restored, read_shop
from veilmart.merchant.publishing.brokers import PinnedBroker, load_brokers
from veilmart.merchant.publishing.key_sets import (
    UNSTORED,
    KeySet,
    load_key_set,
    make_key_set,
    store_key_set,
)
from veilmart.merchant.schema.tables import descriptors
from veilmart.protocol.descriptor import (
    ABOUT_EXTENSION,
    FIRST_PREVIOUS,
    Descriptor,
    SignedDescriptor,
    TunnelKey,
    read_descriptor,
    sign_descriptor,
)
from veilmart.protocol.ports import Random
from veilmart.protocol.signed_chains import FOLLOWS_EXTENSION, changed_too_often, follows_extension
from veilmart.storage.database.columns import AnyRow

SERIALS_SKIPPED = 1_000_000
"""A restored merchant's serials continue above all that wallets can have seen."""


@dataclass(frozen=True)
class Published:
    """A descriptor of ours with the keys behind it."""

    known: SignedDescriptor
    keys: KeySet

    @property
    def serial(self) -> int:
        return self.known.descriptor.serial


_VALID = (
    select(descriptors)
    .where(descriptors.c.not_after > bindparam("now"))
    .order_by(descriptors.c.serial)
)
_NEWEST = select(descriptors).order_by(descriptors.c.serial.desc()).limit(1)
_BY_SERIAL = select(descriptors.c.signed).where(descriptors.c.serial == bindparam("wanted"))


def valid_descriptors(connection: Connection, now: int) -> tuple[Published, ...]:
    """A reading: those whose tunnel keys are still accepted, oldest first."""
    sets: dict[int, KeySet] = {}
    found = []
    for row in connection.execute(_VALID, {"now": now}).all():
        if row.key_set not in sets:
            sets[row.key_set] = load_key_set(connection, row.key_set)
        found.append(Published(read_descriptor(row.signed), sets[row.key_set]))
    return tuple(found)


def signed_descriptor(connection: Connection, serial: int) -> bytes:
    """Transaction: the bytes of one serial, or of the newest for 0. Raises DescriptorUnknown."""
    if serial:
        signed = connection.execute(_BY_SERIAL, {"wanted": serial}).scalar()
    else:
        row = connection.execute(_NEWEST).first()
        signed = None if row is None else row.signed
    if signed is None:
        raise DescriptorUnknown(f"Serial {serial}.")
    return bytes(signed)


@dataclass(frozen=True)
class DueDescriptor:
    """What a new descriptor has to say.

    newest: the one before it. keys: None where fresh ones are due. restored: whether a restored
    merchant's serials have to jump.
    """

    wanted: Descriptor
    newest: SignedDescriptor | None
    keys: KeySet | None
    restored: bool

    @property
    def before(self) -> int | None:
        """The newest one's serial."""
        return None if self.newest is None else self.newest.descriptor.serial


def due_descriptor(connection: Connection, spki: bytes, now: int) -> DueDescriptor | None:
    """A reading: None while the newest descriptor will do. spki: our identity's public half.

    Raises NotInitialised when no broker has been accepted: there would be no price points; and
    ChangedTooOften where wallets would take one more change for a descriptor made for one visitor.
    """
    row = connection.execute(_NEWEST).first()
    newest = None if row is None else read_descriptor(row.signed)
    keys = None if row is None else _usable(connection, row, now)
    due = DueDescriptor(_content(connection, spki), newest, keys, read_shop(connection).restored)
    if newest is not None and keys is not None and not due.restored:
        if _same(newest.descriptor, due.wanted):
            return None
        _check_pace(connection, newest.descriptor.serial, now)
    return due


def make_descriptor(
    due: DueDescriptor, key: identity.IdentityKey, now: int, random: Random
) -> Published:
    """Signed, with fresh keys where they are due; nothing is stored. Pure."""
    keys = due.keys or make_key_set(now, random)
    step = SERIALS_SKIPPED if due.restored else 1
    serial = 1 if due.before is None else due.before + step
    fresh = msgspec.structs.replace(
        due.wanted,
        extensions=due.wanted.extensions | follows_extension(due.before, serial),
        tunnel_keys=[
            TunnelKey(suite=suite.id, public=keys.tunnel[suite.id].public)
            for suite in all_suites()
            if suite.id in keys.tunnel
        ],
        signing_key=keys.public,
        serial=serial,
        previous=FIRST_PREVIOUS if due.newest is None else due.newest.hash,
        not_before=now,
        not_after=keys.expires_at,
    )
    return Published(read_descriptor(sign_descriptor(fresh, key)), keys)


def store_descriptor(connection: Connection, due: DueDescriptor, made: Published) -> bool:
    """Part of a transaction: False when another one has followed the newest one meanwhile."""
    row = connection.execute(_NEWEST).first()
    if (None if row is None else row.serial) != due.before:
        return False
    keys = made.keys if made.keys.id != UNSTORED else store_key_set(connection, made.keys)
    connection.execute(
        insert(descriptors).values(
            serial=made.serial,
            hash=made.known.hash,
            signed=made.known.signed,
            key_set=keys.id,
            not_after=made.known.descriptor.not_after,
        )
    )
    if due.restored:
        forget_restored(connection)
    return True


def _check_pace(connection: Connection, serial: int, now: int) -> None:
    values = {"wanted": serial - CHANGES_PER_EPOCH_MAX + 1}
    signed = connection.execute(_BY_SERIAL, values).scalar()
    if changed_too_often(None if signed is None else read_descriptor(signed), now):
        raise ChangedTooOften


def _usable(connection: Connection, row: AnyRow, now: int) -> KeySet | None:
    """The newest key set, unless it is about to end or lacks a suite that we know by now.

    Nor if its time begins later, as a clock that was ahead has left it: nobody would take it.
    """
    early = row.not_after - DESCRIPTOR_SECONDS > now + CLOCK_SKEW_SECONDS
    if early or row.not_after - now < DESCRIPTOR_OVERLAP_SECONDS:
        return None
    keys = load_key_set(connection, row.key_set)
    return keys if all(suite.id in keys.tunnel for suite in all_suites()) else None


def _content(connection: Connection, spki: bytes) -> Descriptor:
    """What the descriptor has to say now; keys, serial and times are filled in on signing."""
    shop = read_shop(connection)
    brokers = load_brokers(connection)
    if not brokers:
        raise NotInitialised("No broker has been accepted.")
    return Descriptor(
        role="merchant",
        name=shop.name,
        identity=spki,
        tunnel_keys=[],
        signing_key=bytes(32),
        shelves=list(load_shelves(connection)),
        price_points=[],
        currency=shop.currency,
        decimals=shop.decimals,
        brokers=[broker.fingerprint for broker in brokers],
        serial=0,
        previous=FIRST_PREVIOUS,
        not_before=0,
        not_after=0,
        extensions={ABOUT_EXTENSION: shop.about.encode()} if shop.about else {},
    )


def price_points(brokers: tuple[PinnedBroker, ...]) -> list[int]:
    """The prices that every accepted broker has, ascending, minor units."""
    offered = [set(broker.known.descriptor.price_points) for broker in brokers]
    return sorted(set.intersection(*offered)) if offered else []


def _same(published: Descriptor, wanted: Descriptor) -> bool:
    said = {k: v for k, v in published.extensions.items() if k != FOLLOWS_EXTENSION}
    blank = msgspec.structs.replace(
        published,
        tunnel_keys=wanted.tunnel_keys,
        signing_key=wanted.signing_key,
        serial=wanted.serial,
        previous=wanted.previous,
        not_before=wanted.not_before,
        not_after=wanted.not_after,
        extensions=said,
    )
    return blank == wanted
