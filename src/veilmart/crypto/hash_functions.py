"""The two hash functions of the suites, with HMAC (RFC 2104, block 64 bytes) and Noise's HKDF."""

import hmac
from hashlib import sha256
from typing import Protocol

from blake3 import blake3

HASH_BYTES = 32
_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class HashFunction(Protocol):
    """A hash with its HMAC. Those of the suites have 32 bytes; Noise takes 64 as well."""

    @property
    def name(self) -> str:
        """As it stands in a Noise protocol name."""
        ...

    def hash(self, data: bytes) -> bytes:
        """HASHLEN bytes."""
        ...

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """HASHLEN bytes."""
        ...


class Sha256:
    """SHA-256 (FIPS 180-4) and HMAC-SHA256."""

    name = "SHA256"

    def hash(self, data: bytes) -> bytes:
        """32 bytes."""
        return sha256(data).digest()

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """32 bytes."""
        return hmac.digest(key, data, "sha256")


class Blake3:
    """BLAKE3-256 and HMAC-BLAKE3 with BLAKE3's block of 64 bytes.

    HMAC, rather than BLAKE3's own keyed mode, because Noise section 4.3 defines its HKDF by it.
    """

    name = "BLAKE3"

    def hash(self, data: bytes) -> bytes:
        """32 bytes."""
        return blake3(data).digest()

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """32 bytes."""
        if len(key) > _BLOCK_BYTES:
            key = blake3(key).digest()
        block = key.ljust(_BLOCK_BYTES, b"\0")
        inner = blake3(block.translate(_INNER) + data).digest()
        return blake3(block.translate(_OUTER) + inner).digest()


def bulk_hash(data: bytes | memoryview) -> bytes:
    """BLAKE3-256 of a piece or of a sealed segment, 32 bytes, the same in both suites (ADR 11)."""
    return blake3(data).digest()


def hkdf(hash_function: HashFunction, key: bytes, material: bytes, outputs: int) -> list[bytes]:
    """Noise section 4.3: `outputs` (2 or 3) values, as long as the hash, from a chaining key."""
    extracted = hash_function.hmac(key, material)
    values: list[bytes] = []
    previous = b""
    for number in range(1, outputs + 1):
        previous = hash_function.hmac(extracted, previous + bytes((number,)))
        values.append(previous)
    return values
