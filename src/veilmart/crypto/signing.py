"""Ed25519 (RFC 8032) for offers, invoices, segments, receipts and order keys.

The signed bytes are label ‖ NUL ‖ data, so that a signature made for one purpose fits no other. The
verification equation is the one of docs/protocol/01-notation.md, 1.4, for the keys allowed there:
RFC 8032 leaves both open, and under a key of small order anybody can make signatures. Parsed keys
are cached, for a few keys sign and verify very often; the caches are bounded.
"""

from functools import lru_cache

import gmpy2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from veilmart.crypto.key_pair import RandomSource
from veilmart.errors import BadPublicValue, Misuse, SignatureInvalid

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
_PRIME = 2**255 - 19
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
# The y coordinates of the eight points whose order divides 8: identity, order 2, order 4, order 8.
_EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
_SMALL_ORDER = frozenset({1, _PRIME - 1, 0, _EIGHTH, _PRIME - _EIGHTH})


def generate_signing_key(random: RandomSource) -> bytes:
    """A 32-byte seed, the private key of RFC 8032 section 5.1.5."""
    return random(SEED_BYTES)


def public_key(seed: bytes) -> bytes:
    """The seed's 32-byte public key."""
    return _private_key(seed).public_key().public_bytes_raw()


def sign(seed: bytes, label: str, data: bytes) -> bytes:
    """64 bytes, the same each time."""
    return _private_key(seed).sign(_labelled(label, data))


def check_public_key(public: bytes) -> None:
    """Page 1.4: wherever a key enters, in a descriptor, a choice or an invoice.

    Raises BadPublicValue unless the 32 bytes are the canonical encoding of a point of the curve
    whose order does not divide 8.
    """
    if len(public) != PUBLIC_BYTES:
        raise BadPublicValue("An Ed25519 key has 32 bytes.")
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if y >= _PRIME:
        raise BadPublicValue("An Ed25519 key is not written in its canonical form.")
    if y in _SMALL_ORDER:
        raise BadPublicValue("An Ed25519 key has small order.")
    # x^2 = (y^2 - 1) / (d y^2 + 1), RFC 8032 section 5.1.3; dividing and multiplying by a number
    # make the same square or non-square.
    if gmpy2.jacobi((y * y - 1) * (_D * y * y + 1) % _PRIME, _PRIME) != 1:
        raise BadPublicValue("An Ed25519 key is not on the curve.")


def verify(public: bytes, label: str, data: bytes, signature: bytes) -> None:
    """Raises SignatureInvalid, for a key that is not allowed and a malformed signature too."""
    message = _labelled(label, data)
    try:
        _public_key(public).verify(signature, message)
    except (InvalidSignature, BadPublicValue):
        raise SignatureInvalid() from None


def _labelled(label: str, data: bytes) -> bytes:
    if not label or "\0" in label:
        raise Misuse("A signature's label is not empty and holds no NUL.")
    return label.encode() + b"\0" + data


@lru_cache(maxsize=16)
def _private_key(seed: bytes) -> Ed25519PrivateKey:
    if len(seed) != SEED_BYTES:
        raise Misuse("A signing key's seed has 32 bytes.")
    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=256)
def _public_key(public: bytes) -> Ed25519PublicKey:
    check_public_key(public)
    return Ed25519PublicKey.from_public_bytes(public)
