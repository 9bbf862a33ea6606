"""RSA blind signatures, the issuer's side: RFC 9474 section 4.3.

The private operation is by CRT with GMP's constant-time power. The base is multiplied by r^e before
and by 1/r afterwards, r random, so its running time says nothing about what a stranger chose. A
result leaves only when s^e is what was asked: a miscalculated one would give away a factor of the
modulus.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import gmpy2

from veilmart.crypto.blind_rsa import (
    PUBLIC_EXPONENT,
    BlindPublicKey,
    choose_blinding,
    in_range,
    to_bytes,
)
from veilmart.crypto.key_pair import RandomSource
from veilmart.errors import MalformedMessage, StoreDamaged


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """RSA private key: primes p, q; d mod p-1; d mod q-1; 1/q mod p. None of it in the repr."""

    public: BlindPublicKey
    p: int = field(repr=False)
    q: int = field(repr=False)
    d_p: int = field(repr=False)
    d_q: int = field(repr=False)
    q_inverse: int = field(repr=False)


def issuer_key(p: int, q: int, d: int) -> IssuerKey:
    """The key of two primes and the private exponent."""
    first, second = gmpy2.mpz(p), gmpy2.mpz(q)
    return IssuerKey(
        public=BlindPublicKey(int(first * second)),
        p=first,
        q=second,
        d_p=gmpy2.mpz(d) % (first - 1),
        d_q=gmpy2.mpz(d) % (second - 1),
        q_inverse=gmpy2.invert(second, first),
    )


def blind_sign(key: IssuerKey, blinded: Sequence[bytes], random: RandomSource) -> list[bytes]:
    """One blind signature for each blinded message, each as long as the modulus.

    All are checked before the first is signed. The interpreter's lock is free during the powers:
    called in a thread of its own, it leaves the others running. Raises MalformedMessage for
    another length or a number outside 0 < m < n.
    """
    numbers = [in_range(key.public, one) for one in blinded]
    if None in numbers:
        raise MalformedMessage("A blinded message is out of the range of its token key.")
    return [_sign(key, *each) for each in zip(numbers, _masks(key, random), strict=False)]


def crt_power(key: IssuerKey, base: "gmpy2.mpz") -> "gmpy2.mpz":
    """base^d mod n by two constant-time powers; the bare operation, neither blinded nor checked."""
    by_p = gmpy2.powmod_sec(base % key.p, key.d_p, key.p)
    by_q = gmpy2.powmod_sec(base % key.q, key.d_q, key.q)
    return by_q + (by_p - by_q) * key.q_inverse % key.p * key.q


def _masks(key: IssuerKey, random: RandomSource) -> Iterator[tuple["gmpy2.mpz", "gmpy2.mpz"]]:
    """Pairs (r^e, 1/r): one random, then its squares, which a requester knows no better.

    A fresh one for each signature costs a twelfth of its time.
    """
    modulus = gmpy2.mpz(key.public.modulus)
    drawn = choose_blinding(key.public, lambda _: random(key.public.length))
    factor = gmpy2.mpz.from_bytes(drawn, "big")
    # The constant-time power hides an exponent; this one is public.
    before, after = gmpy2.powmod(factor, PUBLIC_EXPONENT, modulus), gmpy2.invert(factor, modulus)
    while True:
        yield before, after
        before, after = before * before % modulus, after * after % modulus


def _sign(key: IssuerKey, number: "gmpy2.mpz", mask: tuple["gmpy2.mpz", "gmpy2.mpz"]) -> bytes:
    modulus = key.public.modulus
    before, after = mask
    masked = number * before % modulus
    with _lock_released():
        power = crt_power(key, masked)
    signature = power * after % modulus
    if gmpy2.powmod(signature, PUBLIC_EXPONENT, modulus) != number:
        raise StoreDamaged("A token key computes wrong signatures.")
    return to_bytes(key.public, signature)


@contextmanager
def _lock_released() -> Iterator[None]:
    """gmpy2 keeps the interpreter's lock unless the context of this thread says otherwise.

    For the powers only: to get the lock back takes milliseconds where another thread is busy.
    """
    with gmpy2.context(gmpy2.get_context(), allow_release_gil=True):
        yield
