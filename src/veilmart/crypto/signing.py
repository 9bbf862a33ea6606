"""Ed25519 (RFC 8032) for offers, invoices, segments, receipts and order keys.

What is signed is label ‖ NUL ‖ data, so that a signature made for one purpose fits no other.
Parsed keys are cached, for a few keys sign and verify very often; the caches are bounded.
"""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from veilmart.crypto.key_pair import RandomSource
from veilmart.errors import Misuse, SignatureInvalid

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64


def generate_signing_key(random: RandomSource) -> bytes:
    """A 32-byte seed, the private key of RFC 8032 section 5.1.5."""
    return random(SEED_BYTES)


def public_key(seed: bytes) -> bytes:
    """The seed's 32-byte public key."""
    return _private_key(seed).public_key().public_bytes_raw()


def sign(seed: bytes, label: str, data: bytes) -> bytes:
    """64 bytes, the same each time."""
    return _private_key(seed).sign(_labelled(label, data))


def verify(public: bytes, label: str, data: bytes, signature: bytes) -> None:
    """Raises SignatureInvalid, for a malformed key or signature too."""
    message = _labelled(label, data)
    try:
        _public_key(public).verify(signature, message)
    except (InvalidSignature, ValueError):
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
    return Ed25519PublicKey.from_public_bytes(public)
