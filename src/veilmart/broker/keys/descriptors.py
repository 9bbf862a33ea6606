"""The broker's own descriptors and the keys behind them (docs/protocol/03-descriptors.md).

A new serial is made when the content changes or the newest ends within 24 hours; the keys of
earlier ones stay good until their descriptors end, then they are erased.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, insert, select, update

from veilmart.broker.keys.token_keys import EXTENSION as TOKENS_EXTENSION
from veilmart.broker.schema import tables
from veilmart.broker.settings import Settings
from veilmart.crypto import identity, signing
from veilmart.crypto.key_pair import KeyPair
from veilmart.crypto.suite import Suite, all_suites
from veilmart.errors import DescriptorUnknown
from veilmart.limits import CHANGES_PER_EPOCH_MAX, DESCRIPTOR_OVERLAP_SECONDS, DESCRIPTOR_SECONDS
from veilmart.protocol.descriptor import (
    FIRST_PREVIOUS,
    Descriptor,
    SignedDescriptor,
    TunnelKey,
    read_descriptor,
    sign_descriptor,
)
from veilmart.protocol.encoding import Message, decode, encode
from veilmart.protocol.ports import Random
from veilmart.protocol.signed_chains import FOLLOWS_EXTENSION, changed_too_often, follows_extension

SECRETS_MAX_BYTES = 4096
FEE_EXTENSION = "fee"

_newest = (
    select(tables.descriptors.c.signed, tables.descriptors.c.secrets)
    .order_by(tables.descriptors.c.serial.desc())
    .limit(1)
)
_usable = (
    select(tables.descriptors.c.signed, tables.descriptors.c.secrets)
    .where(tables.descriptors.c.not_after > bindparam("now"))
    .order_by(tables.descriptors.c.serial)
)
_by_serial = select(tables.descriptors.c.signed).where(
    tables.descriptors.c.serial == bindparam("of")
)
_serials = select(tables.descriptors.c.serial).where(tables.descriptors.c.serial == bindparam("of"))
_add = insert(tables.descriptors)
_erase = (
    update(tables.descriptors)
    .where(tables.descriptors.c.not_after <= bindparam("now"))
    .where(tables.descriptors.c.secrets.is_not(None))
    .values(secrets=None)
)


class Secrets(Message, frozen=True):
    """tunnel_keys: suite id → private key. signing_seed: 32 bytes, Ed25519."""

    tunnel_keys: dict[int, bytes]
    signing_seed: bytes

    def __repr__(self) -> str:
        return "Secrets(...)"


@dataclass(frozen=True, slots=True)
class OwnDescriptor:
    """One of our descriptors with its private keys."""

    public: SignedDescriptor
    secrets: Secrets = field(repr=False)

    @property
    def serial(self) -> int:
        return self.public.descriptor.serial

    @property
    def not_after(self) -> int:
        return self.public.descriptor.not_after

    @property
    def signing_seed(self) -> bytes:
        return self.secrets.signing_seed

    @property
    def fee_basis_points(self) -> int:
        """Our share of a sale, as this descriptor has published it."""
        return int(self.public.descriptor.extensions.get(FEE_EXTENSION, b"0"))

    def tunnel_key(self, suite: Suite) -> KeyPair:
        """Raises UnknownSuite."""
        public = self.public.descriptor.tunnel_key(suite)
        return KeyPair(private=self.secrets.tunnel_keys[suite.id], public=public)


class OwnDescriptors:
    """The usable ones, oldest first, in memory."""

    def __init__(self, entries: tuple[OwnDescriptor, ...]) -> None:
        self._entries = entries
        self._by_hash = {entry.public.hash: entry for entry in entries}
        self._by_serial = {entry.serial: entry for entry in entries}

    @property
    def newest(self) -> OwnDescriptor:
        return self._entries[-1]

    def by_hash(self, descriptor_hash: bytes, now: int) -> OwnDescriptor:
        """Raises DescriptorUnknown, also for one that has ended."""
        entry = self._by_hash.get(descriptor_hash)
        if entry is None or entry.not_after <= now:
            raise DescriptorUnknown
        return entry

    def by_serial(self, serial: int) -> OwnDescriptor:
        """The one a session was made with, or the newest once it has been dropped."""
        return self._by_serial.get(serial, self.newest)


def make_descriptor(
    key: identity.IdentityKey,
    settings: Settings,
    previous: SignedDescriptor | None,
    now: int,
    random: Random,
    step: int = 1,
    token_keys: bytes = b"",
) -> tuple[bytes, Secrets]:
    """A signed descriptor `step` serials after `previous`, with fresh keys for every suite.

    token_keys: as `token_keys.listed` has them.
    """
    pairs = {suite.id: suite.dh.generate(random) for suite in all_suites()}
    before = None if previous is None else previous.descriptor.serial
    serial = 1 if before is None else before + step
    seed = signing.generate_signing_key(random)
    descriptor = Descriptor(
        role="broker",
        name=settings.name,
        identity=identity.public_spki(key),
        tunnel_keys=[TunnelKey(suite=suite, public=pair.public) for suite, pair in pairs.items()],
        signing_key=signing.public_key(seed),
        shelves=[],
        price_points=list(settings.price_points),
        currency=settings.currency,
        decimals=settings.decimals,
        brokers=[],
        serial=serial,
        previous=FIRST_PREVIOUS if previous is None else previous.hash,
        not_before=now,
        not_after=now + DESCRIPTOR_SECONDS,
        extensions=_extensions(settings, token_keys) | follows_extension(before, serial),
    )
    private = {suite: pair.private for suite, pair in pairs.items()}
    return sign_descriptor(descriptor, key), Secrets(tunnel_keys=private, signing_seed=seed)


def _extensions(settings: Settings, token_keys: bytes) -> dict[str, bytes]:
    """Beyond the fields: our share of a sale, if we take one, and our token keys."""
    found: dict[str, bytes] = {}
    if settings.fee_basis_points:
        found[FEE_EXTENSION] = str(settings.fee_basis_points).encode()
    if token_keys:
        found[TOKENS_EXTENSION] = token_keys
    return found


def is_current(
    newest: SignedDescriptor, settings: Settings, now: int, token_keys: bytes = b""
) -> bool:
    """Whether the newest descriptor says what the settings say and lasts for another day."""
    descriptor = newest.descriptor
    said = {k: v for k, v in descriptor.extensions.items() if k != FOLLOWS_EXTENSION}
    return (
        descriptor.price_points == list(settings.price_points)
        and descriptor.name == settings.name
        and said == _extensions(settings, token_keys)
        and descriptor.not_before <= now
        and descriptor.not_after - now >= DESCRIPTOR_OVERLAP_SECONDS
        and [entry.suite for entry in descriptor.tunnel_keys] == [s.id for s in all_suites()]
    )


def too_often(conn: Connection, serial: int, now: int) -> bool:
    """Whether the newest descriptor, of this serial, came so soon that a change has to wait."""
    signed = conn.execute(_by_serial, {"of": serial - CHANGES_PER_EPOCH_MAX + 1}).scalar()
    return changed_too_often(None if signed is None else read_descriptor(bytes(signed)), now)


def newest_signed(conn: Connection) -> bytes | None:
    """The newest descriptor ever made, ended or not."""
    row = conn.execute(_newest).one_or_none()
    return None if row is None else bytes(row[0])


def store(conn: Connection, fresh: SignedDescriptor, secrets: Secrets) -> bool:
    """Keep a new descriptor; False if another process has made this serial in the meantime."""
    descriptor = fresh.descriptor
    if conn.execute(_serials, {"of": descriptor.serial}).scalar_one_or_none() is not None:
        return False
    row = {
        "serial": descriptor.serial,
        "signed": fresh.signed,
        "not_after": descriptor.not_after,
        "secrets": encode(secrets),
    }
    conn.execute(_add, row)
    return True


def load_usable(conn: Connection, now: int) -> OwnDescriptors:
    """A reading: those that have not ended. There is at least one once `store` was called."""
    return OwnDescriptors(
        tuple(
            OwnDescriptor(read_descriptor(signed), decode(Secrets, secrets, SECRETS_MAX_BYTES))
            for signed, secrets in conn.execute(_usable, {"now": now})
        )
    )


def signed_by_serial(conn: Connection, serial: int) -> bytes | None:
    signed = conn.execute(_by_serial, {"of": serial}).scalar_one_or_none()
    return None if signed is None else bytes(signed)


def erase_ended(conn: Connection, now: int) -> None:
    """Overwrite the private keys that nobody may use any more (secure_delete is on)."""
    conn.execute(_erase, {"now": now})
