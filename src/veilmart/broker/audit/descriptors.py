"""Descriptors, ours and the merchants': signed, as the columns say, naming the one before."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, select

from veilmart.broker.audit.findings import Finding, Tally, stream
from veilmart.broker.audit.trusted_keys import Known
from veilmart.broker.keys.descriptors import SECRETS_MAX_BYTES, Secrets
from veilmart.broker.schema import tables
from veilmart.crypto import signing
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import PeerFault
from veilmart.protocol.descriptor import FIRST_PREVIOUS, SignedDescriptor, read_descriptor
from veilmart.protocol.encoding import decode

_d, _m = tables.descriptors.c, tables.merchant_descriptors.c


@dataclass(frozen=True, slots=True)
class _Row:
    """name: for findings. serial, not_after: the columns."""

    name: str
    serial: int
    not_after: int
    signed: bytes


def check_own_descriptors(conn: Connection, known: Known, tally: Tally) -> None:
    """Our own: every one names the hash of the one before, also across a restore."""
    before: SignedDescriptor | None = None
    query = select(_d.serial, _d.not_after, _d.signed, _d.secrets).order_by(_d.serial)
    for serial, not_after, signed, secrets in stream(conn, query):
        tally.row()
        row = _Row(f"our descriptor {serial}", serial, not_after, signed)
        read = _read(row, known.broker, "broker", tally)
        if read is None:
            continue
        previous = FIRST_PREVIOUS if before is None else before.hash
        if read.descriptor.previous != previous:
            tally.find("descriptor-chain", row.name, "It does not follow the one before it.")
        # A backup takes the keys out and sets the end to 0.
        if secrets is not None and not _fits(secrets, read):
            tally.find(
                "descriptor-keys", row.name, "Its private keys belong to another descriptor."
            )
        before = read


def check_merchant_descriptors(conn: Connection, known: Known, tally: Tally) -> None:
    """A merchant's: not all were seen, but those that follow each other have to be one chain."""
    query = select(_m.merchant, _m.serial, _m.not_after, _m.signed)
    rows = stream(conn, query.order_by(_m.merchant, _m.serial))
    for merchant, theirs in groupby(rows, key=lambda row: bytes(row[0])):
        shown = format_fingerprint(merchant)[:9]
        if merchant not in known.merchants:
            tally.find("descriptor-merchant", f"merchant {shown}", "There is no such merchant.")
        tally.take(_merchant_chain(merchant, shown, theirs, known, tally))


def _merchant_chain(
    merchant: bytes,
    shown: str,
    rows: Iterator[tuple[bytes, int, int, bytes]],
    known: Known,
    tally: Tally,
) -> Iterator[Finding]:
    before: SignedDescriptor | None = None
    for _merchant, serial, not_after, signed in rows:
        tally.row()
        row = _Row(f"descriptor {serial} of merchant {shown}", serial, not_after, signed)
        read = _read(row, merchant, "merchant", tally)
        if read is None:
            continue
        if known.broker not in read.descriptor.brokers:
            yield Finding("descriptor-broker", row.name, "It does not name us.")
        follows = before is not None and serial == before.descriptor.serial + 1
        if before is not None and follows and read.descriptor.previous != before.hash:
            yield Finding("descriptor-chain", row.name, "It does not follow the one before it.")
        before = read


def _read(row: _Row, fingerprint: bytes, role: str, tally: Tally) -> SignedDescriptor | None:
    try:
        read = read_descriptor(row.signed)
    except PeerFault:
        tally.find("descriptor-signature", row.name, "Its signature does not verify.")
        return None
    if read.fingerprint != fingerprint or read.descriptor.role != role:
        tally.find("descriptor-identity", row.name, "Another key signed it.")
        return None
    if read.descriptor.serial != row.serial or row.not_after not in (
        read.descriptor.not_after,
        0,
    ):
        tally.find(
            "descriptor-differs", row.name, "Serial or end are not those it was signed with."
        )
    return read


def _fits(secrets: bytes, read: SignedDescriptor) -> bool:
    try:
        stored = decode(Secrets, secrets, SECRETS_MAX_BYTES)
    except PeerFault:
        return False
    return (
        len(stored.signing_seed) == signing.SEED_BYTES
        and signing.public_key(stored.signing_seed) == read.descriptor.signing_key
    )
