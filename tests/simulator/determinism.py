"""The three places where a library draws randomness of its own, made to repeat.

1. RSA keys: derived from a name instead of generated.
2. RSA-PSS: a salt of no bytes, which RFC 8017 allows, on both sides.
3. ML-KEM encapsulation: `cryptography` takes no randomness. In the simulator the ciphertext is
   drawn from the party's own source and the shared secret is its hash together with the public key:
   no secrecy, but the same lengths, and a changed ciphertext still gives another secret.

Everything else (X25519, ffdhe3072, Ed25519, RSA, both ciphers, every hash) is the real thing.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import gmpy2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from veilmart.crypto import identity
from veilmart.crypto.kem import MLKEM768, SEED_BYTES
from veilmart.crypto.key_pair import KeyPair, RandomSource
from veilmart.errors import BadPublicValue

_PRIME_BITS = identity.KEY_BITS // 2


def derived_identity(name: str) -> identity.IdentityKey:
    """An RSA-3072 key that everybody can reckon out."""
    primes = [_prime(f"{name} {which}") for which in ("p", "q")]
    p, q = max(primes), min(primes)
    e = identity.PUBLIC_EXPONENT
    d = int(gmpy2.invert(e, (p - 1) * (q - 1)))
    public = rsa.RSAPublicNumbers(e, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@contextmanager
def repeatable_libraries() -> Iterator[None]:
    """Within it, the same seed makes the same bytes."""
    with (
        mock.patch.object(identity, "_pss", _saltless),
        mock.patch.object(MLKEM768, "generate", _generate),
        mock.patch.object(MLKEM768, "encapsulate", _encapsulate),
        mock.patch.object(MLKEM768, "decapsulate", _decapsulate),
    ):
        yield


def _prime(name: str) -> int:
    """With its two highest bits set, so that the product has 3072 bits."""
    drawn = int.from_bytes(hashlib.shake_256(name.encode()).digest(_PRIME_BITS // 8))
    return int(gmpy2.next_prime(drawn | 3 << (_PRIME_BITS - 2)))


def _saltless() -> padding.PSS:
    return padding.PSS(padding.MGF1(hashes.SHA256()), 0)


def _generate(self: MLKEM768, random: RandomSource) -> KeyPair:
    seed = random(SEED_BYTES)
    return KeyPair(seed, hashlib.shake_256(seed).digest(self.public_bytes))


def _encapsulate(self: MLKEM768, public: bytes, random: RandomSource) -> tuple[bytes, bytes]:
    if len(public) != self.public_bytes:
        raise BadPublicValue("An ML-KEM-768 key has 1184 bytes.")
    ciphertext = random(self.ciphertext_bytes)
    return ciphertext, hashlib.sha256(public + ciphertext).digest()


def _decapsulate(self: MLKEM768, pair: KeyPair, ciphertext: bytes) -> bytes:
    if len(ciphertext) != self.ciphertext_bytes:
        raise BadPublicValue("An ML-KEM-768 ciphertext has 1088 bytes.")
    return hashlib.sha256(pair.public + ciphertext).digest()
