"""The keys by which the audit verifies signed records: from our descriptors and the merchants'."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from veilmart.broker import settings
from veilmart.broker.audit.findings import stream
from veilmart.broker.keys.descriptors import FEE_EXTENSION, newest_signed
from veilmart.broker.schema import tables
from veilmart.broker.schema.token_tables import token_keys
from veilmart.broker.schema.upkeep_tables import folds
from veilmart.errors import PeerFault
from veilmart.limits import CLOCK_SKEW_SECONDS
from veilmart.protocol.descriptor import Descriptor, read_descriptor

_d, _m, _md = tables.descriptors.c, tables.merchants.c, tables.merchant_descriptors.c


@dataclass(slots=True)
class SigningKeys:
    """Signing keys (32 bytes) with the time from which each was good."""

    entries: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, descriptor: Descriptor) -> None:
        self.entries.append((descriptor.not_before, descriptor.signing_key))
        self.entries.sort(reverse=True)

    def around(self, time: int) -> Iterator[bytes]:
        """All of them, those first that were good at `time`, newest first.

        A clock that was set back lets a key sign what seems to be older than the key.
        """
        later: list[bytes] = []
        for since, key in self.entries:
            if since - CLOCK_SKEW_SECONDS <= time:
                yield key
            else:
                later.append(key)
        yield from reversed(later)


@dataclass(slots=True)
class KnownMerchant:
    """identity: its SubjectPublicKeyInfo, from any descriptor that verifies."""

    account: int
    identity: bytes = b""
    keys: SigningKeys = field(default_factory=SigningKeys)


@dataclass(slots=True)
class Known:
    """broker: our fingerprint, or empty where no descriptor was ever made. folded_until: the end
    of the newest month that was folded. fees: every rate we ever published, in basis points.
    token_accounts: number of a token key → account of its outstanding tokens.
    """

    broker: bytes
    identity: bytes = b""
    keys: SigningKeys = field(default_factory=SigningKeys)
    fees: set[int] = field(default_factory=lambda: {0})
    merchants: dict[bytes, KnownMerchant] = field(default_factory=dict)
    token_accounts: dict[int, int] = field(default_factory=dict)
    folded_until: int = 0


def load_known(conn: Connection, broker: bytes | None) -> Known:
    """Whatever verifies; what does not is found by the check of the descriptors.

    broker: our fingerprint, from the identity's file. Without it the newest descriptor is believed.
    """
    if broker is None:
        newest = newest_signed(conn)
        broker = b"" if newest is None else _fingerprint(newest)
    known = Known(broker)
    known.fees.add(settings.number(conn, "fee"))
    for (signed,) in stream(conn, select(_d.signed).order_by(_d.serial)):
        ours = _read(signed, broker)
        if ours is not None:
            known.identity = ours.identity
            known.keys.add(ours)
            known.fees.add(_rate(ours))
    for fingerprint, account in stream(conn, select(_m.fingerprint, _m.account)):
        known.merchants[fingerprint] = KnownMerchant(account)
    for fingerprint, signed in stream(conn, select(_md.merchant, _md.signed)):
        theirs = _read(signed, fingerprint)
        if theirs is not None and fingerprint in known.merchants:
            known.merchants[fingerprint].identity = theirs.identity
            known.merchants[fingerprint].keys.add(theirs)
    for number, account in stream(conn, select(token_keys.c.number, token_keys.c.account)):
        known.token_accounts[number] = account
    until = conn.execute(select(func.max(folds.c.until))).scalar_one_or_none()
    known.folded_until = until or 0
    return known


def _read(signed: bytes, fingerprint: bytes) -> Descriptor | None:
    try:
        read = read_descriptor(signed)
    except PeerFault:
        return None
    return read.descriptor if read.fingerprint == fingerprint else None


def _fingerprint(signed: bytes) -> bytes:
    try:
        return read_descriptor(signed).fingerprint
    except PeerFault:
        return b""


def _rate(descriptor: Descriptor) -> int:
    text = descriptor.extensions.get(FEE_EXTENSION, b"0")
    return int(text) if text.isdigit() and len(text) <= 5 else 0
