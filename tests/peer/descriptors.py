"""Page 3: fingerprints, links, descriptors."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Meta, Struct

from .notation import Bytes32, Number, PeerError, decode, named_hash, require, verify_rsa

SIGNATURE_LENGTH = 384
BODY_LIMIT = 15 * 1024
WEEK = 7 * 24 * 3600


class TunnelKey(Struct, forbid_unknown_fields=True):
    """A static Noise key for one suite."""

    suite: Number
    public: Annotated[bytes, Meta(min_length=32, max_length=384)]


class Shelf(Struct, forbid_unknown_fields=True):
    """One price and one size."""

    id: Number
    name: str
    price: Number
    size: Number
    pay_within: Number
    deliver_within: Number
    settle_within: Number


class Body(Struct, forbid_unknown_fields=True):
    """The table of 3.2."""

    role: Literal["broker", "merchant"]
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    identity: Annotated[bytes, Meta(max_length=512)]
    tunnel_keys: Annotated[list[TunnelKey], Meta(min_length=1, max_length=8)]
    signing_key: Bytes32
    shelves: Annotated[list[Shelf], Meta(max_length=64)]
    price_points: Annotated[list[Number], Meta(max_length=32)]
    currency: Annotated[str, Meta(min_length=3, max_length=8)]
    decimals: Annotated[int, Meta(ge=0, le=6)]
    brokers: Annotated[list[Bytes32], Meta(max_length=16)]
    serial: Number
    previous: Bytes32
    not_before: Number
    not_after: Number
    extensions: Annotated[dict[str, bytes], Meta(max_length=16)]


@dataclass(frozen=True)
class Descriptor:
    """A descriptor that passed 3.3 for the fingerprint that was asked for."""

    signed: bytes
    body: Body
    fingerprint: bytes

    @property
    def hash(self) -> bytes:
        """Its name, 32 bytes."""
        return named_hash("descriptor hash", self.signed)

    def tunnel_key(self, suite: int) -> bytes:
        """The static key for this suite."""
        for key in self.body.tunnel_keys:
            if key.suite == suite:
                return key.public
        raise PeerError(f"{self.body.name} has no tunnel key for suite {suite}")

    def shelf(self, number: int) -> Shelf:
        """The shelf with this id."""
        for shelf in self.body.shelves:
            if shelf.id == number:
                return shelf
        raise PeerError(f"{self.body.name} has no shelf {number}")


def accept(
    signed: bytes, fingerprint: bytes, role: str, now: int, known: Descriptor | None = None
) -> Descriptor:
    """3.3; `known` is the descriptor of the same identity that was accepted last."""
    signature, encoded = signed[:SIGNATURE_LENGTH], signed[SIGNATURE_LENGTH:]
    require(len(encoded) <= BODY_LIMIT, "length of the descriptor")
    body = decode(encoded, Body)
    verify_rsa(body.identity, "descriptor", signature, encoded)
    require(hashlib.sha256(body.identity).digest() == fingerprint, "fingerprint")
    require(body.role == role, f"descriptor of a {role}")
    require(0 < body.not_after - body.not_before <= WEEK, "at most seven days")
    require(body.not_before - 300 <= now < body.not_after, "descriptor is valid now")
    new = Descriptor(signed, body, fingerprint)
    if known is not None:
        ahead = body.serial - known.body.serial
        require(ahead >= 0, "serial is not lower")
        require(ahead != 0 or new.hash == known.hash, "one descriptor for each serial")
        require(ahead != 1 or body.previous == known.hash, "descriptors form a chain")
    return new


@dataclass(frozen=True)
class Link:
    """Where the broker is, and which broker, merchant and product are meant."""

    host: str
    port: int
    broker: bytes
    merchant: bytes
    product: str


def read_fingerprint(text: str) -> bytes:
    """32 bytes from 52 characters of base32; case, spaces and dashes do not count (3.1)."""
    plain = unquote(text).replace("-", "").replace(" ", "").upper()
    require(len(plain) == 52, "length of a fingerprint")
    try:
        return base64.b32decode(plain + "====")
    except binascii.Error as error:
        raise PeerError("fingerprint is not base32") from error


def read_link(text: str) -> Link:
    """A link that names a merchant (3.4)."""
    parts = urlsplit(text.strip())
    require(parts.scheme == "veilmart" and parts.hostname is not None, "a veilmart link")
    path = [piece for piece in parts.path.split("/") if piece]
    require(len(path) == 2, "a link with a broker and a merchant")
    broker, merchant = map(read_fingerprint, path)
    return Link(parts.hostname or "", parts.port or 8000, broker, merchant, unquote(parts.fragment))
