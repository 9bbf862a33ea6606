"""The places where a library draws randomness of its own, made to repeat.

1. RSA keys, of identities and tokens: derived from a name instead of generated.
2. RSA-PSS: a salt of no bytes, which RFC 8017 allows, on both sides.
3. ML-KEM encapsulation: `cryptography` takes no randomness. In the simulator the ciphertext is
   drawn from the party's own source and the shared secret is its hash together with the public key:
   no secrecy, but the same lengths, and a changed ciphertext still gives another secret.

Everything else (X25519, ffdhe3072, Ed25519, RSA, both ciphers, every hash) is the real thing.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from unittest import mock

import gmpy2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from veilmart.broker.keys import token_keys
from veilmart.crypto import identity, token_key
from veilmart.crypto.blind_issuer import IssuerKey
from veilmart.crypto.kem import MLKEM768, SEED_BYTES
from veilmart.crypto.key_pair import KeyPair, RandomSource
from veilmart.errors import BadPublicValue


def derived_identity(name: str) -> identity.IdentityKey:
    """An RSA-3072 key that everybody can reckon out."""
    return _derived(name, identity.KEY_BITS)


@lru_cache(maxsize=64)
def _derived(name: str, bits: int) -> rsa.RSAPrivateKey:
    primes = [_prime(f"{name} {which}", bits // 2) for which in ("p", "q")]
    p, q = max(primes), min(primes)
    e = identity.PUBLIC_EXPONENT
    d = int(gmpy2.invert(e, (p - 1) * (q - 1)))
    public = rsa.RSAPublicNumbers(e, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@contextmanager
def repeatable_libraries(name: str) -> Iterator[None]:
    """Within it, the same seed makes the same bytes. name: of the token keys made in it."""
    numbers = count()

    def next_token_key() -> IssuerKey:
        return token_key._from_library(_derived(f"{name} {next(numbers)}", token_key.KEY_BITS))

    with (
        mock.patch.object(token_keys, "generate_token_key", next_token_key),
        mock.patch.object(identity, "_pss", _saltless),
        mock.patch.object(MLKEM768, "generate", _generate),
        mock.patch.object(MLKEM768, "encapsulate", _encapsulate),
        mock.patch.object(MLKEM768, "decapsulate", _decapsulate),
    ):
        yield


def _prime(name: str, bits: int) -> int:
    """With its two highest bits set, so that the product of two has twice as many bits."""
    drawn = int.from_bytes(hashlib.shake_256(name.encode()).digest(bits // 8))
    return int(gmpy2.next_prime(drawn | 3 << (bits - 2)))


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
