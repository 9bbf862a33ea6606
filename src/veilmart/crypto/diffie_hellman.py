"""Diffie-Hellman: X25519 (RFC 7748) and finite-field ffdhe3072 (RFC 7919).

ffdhe3072's prime p is a safe prime, p = 2q + 1, and its generator 2 has order q. A peer's value
is accepted only if 2 <= y <= p - 2 (RFC 7919 section 5.1) and if it lies in the subgroup of
order q, which one Jacobi symbol tells. The second check is not demanded there; it costs a few
per cent of the exponentiation and keeps a long-lived private exponent's lowest bit from a peer
that sends a value of order 2q.
"""

from functools import cache
from typing import Protocol

import gmpy2
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from veilmart.crypto.key_pair import KeyPair, RandomSource
from veilmart.errors import BadPublicValue, Misuse

__all__ = ["FFDHE3072", "X25519", "DiffieHellman", "KeyPair", "ffdhe3072_prime"]

FFDHE3072_BYTES = 384
FFDHE3072_EXPONENT_BYTES = 48

_X25519_PRIME = 2**255 - 19
# The u coordinates of the points whose order divides 8, on the curve and on its twist.
_X25519_LOW_ORDER = frozenset(
    {
        0,
        1,
        _X25519_PRIME - 1,
        0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
        0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
    }
)

_FFDHE3072_PRIME_HEX = """
FFFFFFFF FFFFFFFF ADF85458 A2BB4A9A AFDC5620 273D3CF1 D8B9C583 CE2D3695 A9E13641 146433FB
CC939DCE 249B3EF9 7D2FE363 630C75D8 F681B202 AEC4617A D3DF1ED5 D5FD6561 2433F51F 5F066ED0
85636555 3DED1AF3 B557135E 7F57C935 984F0C70 E0E68B77 E2A689DA F3EFE872 1DF158A1 36ADE735
30ACCA4F 483A797A BC0AB182 B324FB61 D108A94B B2C8E3FB B96ADAB7 60D7F468 1D4F42A3 DE394DF4
AE56EDE7 6372BB19 0B07A7C8 EE0A6D70 9E02FCE1 CDF7E2EC C03404CD 28342F61 9172FE9C E98583FF
8E4F1232 EEF28183 C3FE3B1B 4C6FAD73 3BB5FCBC 2EC22005 C58EF183 7D1683B2 C6F34A26 C1B2EFFA
886B4238 611FCFDC DE355B3B 6519035B BC34F4DE F99C0238 61B46FC9 D6E6C907 7AD91D26 91F7F7EE
598CB0FA C186D91C AEFE1309 85139270 B4130C93 BC437944 F4FD4452 E2D74DD3 64F2E21E 71F54BFF
5CAE82AB 9C9DF69E E86D2BC5 22363A0D ABC52197 9B0DEADA 1DBF9A42 D5C4484E 0ABCD06B FA53DDEF
3C1B20EE 3FD59D7C 25E41D2B 66C62E37 FFFFFFFF FFFFFFFF
"""


class DiffieHellman(Protocol):
    """A key agreement over byte strings of fixed length."""

    @property
    def name(self) -> str:
        """As it stands in a Noise protocol name."""
        ...

    @property
    def public_bytes(self) -> int:
        """Length of a public value and of a shared secret."""
        ...

    def generate(self, random: RandomSource) -> KeyPair:
        """A fresh key pair."""
        ...

    def key_pair(self, private: bytes) -> KeyPair:
        """The pair of a private half that `generate` made."""
        ...

    def shared(self, own: KeyPair, peer_public: bytes) -> bytes:
        """`public_bytes` bytes. Raises BadPublicValue for a value the protocol does not allow."""
        ...

    def check_public(self, peer_public: bytes) -> None:
        """A static key, before anybody relies on it. Raises BadPublicValue."""
        ...


class X25519:
    """RFC 7748 section 5; 32-byte values."""

    name = "25519"
    public_bytes = 32

    def generate(self, random: RandomSource) -> KeyPair:
        """Private half: 32 random bytes."""
        return self.key_pair(random(32))

    def key_pair(self, private: bytes) -> KeyPair:
        """The pair of a 32-byte private half."""
        key = _x25519_private(private)
        return KeyPair(private, key.public_key().public_bytes_raw(), key)

    def shared(self, own: KeyPair, peer_public: bytes) -> bytes:
        """32 bytes. Raises BadPublicValue when they would all be zero (RFC 7748 section 6.1)."""
        key = own.parsed
        if not isinstance(key, X25519PrivateKey):
            key = _x25519_private(own.private)
        if len(peer_public) != self.public_bytes:
            raise BadPublicValue("An X25519 value has 32 bytes.")
        try:
            return key.exchange(X25519PublicKey.from_public_bytes(peer_public))
        except ValueError:
            raise BadPublicValue("An X25519 value has low order.") from None

    def check_public(self, peer_public: bytes) -> None:
        """Only the canonical encoding, u < 2^255 - 19, and none of the five u of low order.

        `shared` takes other encodings, as RFC 7748 wants it of a value that is used once.
        """
        if len(peer_public) != self.public_bytes:
            raise BadPublicValue("An X25519 value has 32 bytes.")
        value = int.from_bytes(peer_public, "little")
        if value >= _X25519_PRIME:
            raise BadPublicValue("An X25519 key is not written in its canonical form.")
        if value in _X25519_LOW_ORDER:
            raise BadPublicValue("An X25519 key has low order.")


class FFDHE3072:
    """RFC 7919 appendix A.2; values are 384 bytes, big-endian.

    A private exponent is 48 random bytes with the highest bit set: 384 bits, well above the 275
    that RFC 7919 asks for, never zero and always of one length, so that the constant-time
    exponentiation takes the same time for each.
    """

    name = "FFDHE3072"
    public_bytes = FFDHE3072_BYTES

    def generate(self, random: RandomSource) -> KeyPair:
        """Private half: 48 bytes, big-endian."""
        drawn = random(FFDHE3072_EXPONENT_BYTES)
        return self.key_pair(bytes((drawn[0] | 0x80,)) + drawn[1:])

    def key_pair(self, private: bytes) -> KeyPair:
        """The pair of a 48-byte private exponent, highest bit set; anything else is Misuse."""
        return KeyPair(private, _power(2, private))

    def shared(self, own: KeyPair, peer_public: bytes) -> bytes:
        """384 bytes. Raises BadPublicValue outside 2..p-2 and outside the subgroup of order q."""
        self.check_public(peer_public)
        return _power(int.from_bytes(peer_public, "big"), own.private)

    def check_public(self, peer_public: bytes) -> None:
        """What `shared` demands of a value."""
        if len(peer_public) != self.public_bytes:
            raise BadPublicValue("An FFDHE3072 value has 384 bytes.")
        value = int.from_bytes(peer_public, "big")
        prime = ffdhe3072_prime()
        if not 2 <= value <= prime - 2:
            raise BadPublicValue("An FFDHE3072 value is out of range.")
        if gmpy2.jacobi(value, prime) != 1:
            raise BadPublicValue("An FFDHE3072 value lies outside the subgroup.")


@cache
def ffdhe3072_prime() -> int:
    """p of RFC 7919 appendix A.2, 3072 bits."""
    return int.from_bytes(bytes.fromhex(_FFDHE3072_PRIME_HEX), "big")


def _power(value: int, private: bytes) -> bytes:
    if len(private) != FFDHE3072_EXPONENT_BYTES or private[0] < 0x80:
        raise Misuse("An FFDHE3072 exponent has 48 bytes, the highest bit set.")
    power = gmpy2.powmod_sec(value, int.from_bytes(private, "big"), ffdhe3072_prime())
    return int(power).to_bytes(FFDHE3072_BYTES, "big")


def _x25519_private(private: bytes) -> X25519PrivateKey:
    if len(private) != X25519.public_bytes:
        raise Misuse("An X25519 private key has 32 bytes.")
    return X25519PrivateKey.from_private_bytes(private)
