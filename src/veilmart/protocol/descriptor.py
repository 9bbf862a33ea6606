"""Descriptors: signed self-descriptions of a merchant or broker, under its RSA identity.

A pure verifier (docs/protocol/03-descriptors.md): fetching and storing are done elsewhere. A
signed descriptor is signature (384 bytes, RSASSA-PSS-SHA256) ‖ MessagePack body.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from veilmart.characters import is_plain
from veilmart.crypto import identity, signing
from veilmart.crypto.suite import Suite, suite_by_id
from veilmart.errors import (
    BadArgument,
    DescriptorExpired,
    DescriptorForked,
    FingerprintChanged,
    MalformedMessage,
    SerialLower,
    UnknownSuite,
)
from veilmart.limits import (
    ABOUT_MAX_BYTES,
    BROKERS_PER_MERCHANT_MAX,
    CLOCK_SKEW_SECONDS,
    DESCRIPTOR_MAX_BYTES,
    DESCRIPTOR_SECONDS,
    PRICE_POINTS_MAX,
    SHELVES_MAX,
)
from veilmart.protocol import labels
from veilmart.protocol.encoding import Bytes32, Message, Natural, decode, encode, labelled_hash
from veilmart.protocol.moments import format_moment

SIGNATURE_BYTES = 384
FIRST_PREVIOUS = bytes(32)
ABOUT_EXTENSION = "about"


class TunnelKey(Message, frozen=True):
    """The static public key of one suite: 32 bytes (X25519) or 384 bytes (ffdhe3072)."""

    suite: Natural
    public: Annotated[bytes, Meta(min_length=32, max_length=384)]


class Shelf(Message, frozen=True):
    """The common properties of a shelf's products; they never change.

    price: minor units. size: bytes of every padded product. The deadlines are seconds: to pay
    after the offer, to deliver after the payment is held, to settle after the key is released.
    """

    id: Natural
    name: Annotated[str, Meta(max_length=64)]
    price: Natural
    size: Natural
    pay_within: Natural
    deliver_within: Natural
    settle_within: Natural


class Descriptor(Message, frozen=True):
    """Times are Unix seconds; `previous` is the descriptor hash of serial - 1, or 32 zeros."""

    role: Literal["broker", "merchant"]
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    identity: Annotated[bytes, Meta(max_length=512)]
    tunnel_keys: Annotated[list[TunnelKey], Meta(min_length=1, max_length=8)]
    signing_key: Bytes32
    shelves: Annotated[list[Shelf], Meta(max_length=SHELVES_MAX)]
    price_points: Annotated[list[Natural], Meta(max_length=PRICE_POINTS_MAX)]
    currency: Annotated[str, Meta(min_length=3, max_length=8)]
    decimals: Annotated[int, Meta(ge=0, le=6)]
    brokers: Annotated[list[Bytes32], Meta(max_length=BROKERS_PER_MERCHANT_MAX)]
    serial: Natural
    previous: Bytes32
    not_before: Natural
    not_after: Natural
    extensions: Annotated[dict[str, bytes], Meta(max_length=16)]

    def tunnel_key(self, suite: Suite) -> bytes:
        """The static key for `suite`. Raises UnknownSuite."""
        for key in self.tunnel_keys:
            if key.suite == suite.id:
                return key.public
        raise UnknownSuite(suite.name)

    def suites(self) -> list[Suite]:
        """The suites offered that we know, in the descriptor's order of preference."""
        known: list[Suite] = []
        for key in self.tunnel_keys:
            try:
                known.append(suite_by_id(key.suite))
            except UnknownSuite:
                continue
        return known

    def shelf(self, shelf_id: int) -> Shelf | None:
        return next((shelf for shelf in self.shelves if shelf.id == shelf_id), None)


def about_line(descriptor: Descriptor) -> str:
    """A merchant's line about itself; empty when there is none, or none that can be read."""
    try:
        return descriptor.extensions.get(ABOUT_EXTENSION, b"")[:ABOUT_MAX_BYTES].decode()
    except UnicodeDecodeError:
        return ""


@dataclass(frozen=True)
class SignedDescriptor:
    """A descriptor that was verified, with the bytes it was verified from."""

    signed: bytes
    descriptor: Descriptor
    fingerprint: bytes
    hash: bytes


def descriptor_hash(signed: bytes) -> bytes:
    return labelled_hash(labels.DESCRIPTOR_HASH, signed)


def sign_descriptor(descriptor: Descriptor, key: identity.IdentityKey) -> bytes:
    """signature ‖ body. Raises BadArgument for a body longer than the limit."""
    body = encode(descriptor)
    if len(body) > DESCRIPTOR_MAX_BYTES:
        raise BadArgument("A descriptor has 15 KiB at most: fewer shelves or shorter names.")
    return identity.sign_pss(key, labels.DESCRIPTOR, body) + body


def read_descriptor(signed: bytes) -> SignedDescriptor:
    """Parse, and verify the signature with the identity inside; the identity itself is not judged.

    Raises MalformedMessage, MessageTooLarge, SignatureInvalid, and BadPublicValue for a key
    inside that page 1.4 refuses.
    """
    if len(signed) <= SIGNATURE_BYTES:
        raise MalformedMessage("A descriptor is cut short.")
    signature, body = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
    descriptor = decode(Descriptor, body, DESCRIPTOR_MAX_BYTES)
    identity.verify_pss(descriptor.identity, labels.DESCRIPTOR, body, signature)
    if not is_plain(descriptor.name):
        raise MalformedMessage("A descriptor's name has characters that are not allowed.")
    signing.check_public_key(descriptor.signing_key)
    for suite in descriptor.suites():
        suite.dh.check_public(descriptor.tunnel_key(suite))
    return SignedDescriptor(
        signed, descriptor, identity.fingerprint(descriptor.identity), descriptor_hash(signed)
    )


def check_descriptor(
    signed: bytes,
    *,
    role: Literal["broker", "merchant"],
    fingerprint: bytes,
    now: int,
    known: SignedDescriptor | None,
) -> SignedDescriptor:
    """Accept a fetched descriptor, or say why not (docs/protocol/03-descriptors.md, steps 1-6).

    `fingerprint` is the pinned one (32 bytes); `known` is the newest one accepted before.
    Raises FingerprintChanged, DescriptorExpired, SerialLower, DescriptorForked and what
    `read_descriptor` raises.
    """
    fresh = read_descriptor(signed)
    descriptor = fresh.descriptor
    if fresh.fingerprint != fingerprint:
        raise FingerprintChanged(identity.format_fingerprint(fresh.fingerprint))
    if descriptor.role != role:
        raise MalformedMessage("A descriptor is of the wrong role.")
    if descriptor.not_after - descriptor.not_before > DESCRIPTOR_SECONDS:
        raise MalformedMessage("A descriptor is valid for more than seven days.")
    early = descriptor.not_before - CLOCK_SKEW_SECONDS
    if not early <= now < descriptor.not_after:
        times = (descriptor.not_before, descriptor.not_after, now)
        begins, ends, here = (format_moment(at) for at in times)
        raise DescriptorExpired(f"It is valid from {begins} to {ends}; here the clock says {here}.")
    if known is not None:
        _check_chain(fresh, known)
    return fresh


def _check_chain(fresh: SignedDescriptor, known: SignedDescriptor) -> None:
    new, old = fresh.descriptor, known.descriptor
    if new.serial < old.serial:
        raise SerialLower(f"Serial {new.serial} after {old.serial}.")
    if new.serial == old.serial and fresh.hash != known.hash:
        raise DescriptorForked(f"Serial {new.serial}.")
    if new.serial == old.serial + 1 and new.previous != known.hash:
        raise DescriptorForked(f"Serial {new.serial} does not follow the one seen before.")


def choose_suite(descriptor: SignedDescriptor, wanted: Suite | None) -> Suite:
    """The wanted suite if offered, else the first known one. Raises UnknownSuite."""
    offered = descriptor.descriptor.suites()
    if wanted is not None:
        if wanted.id not in {suite.id for suite in offered}:
            raise UnknownSuite(wanted.name)
        return wanted
    if not offered:
        raise UnknownSuite
    return offered[0]
