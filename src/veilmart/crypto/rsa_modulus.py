"""Which numbers may be an RSA modulus (docs/protocol/01-notation.md, 1.4).

A modulus that anybody can factor is a key that anybody can sign with: its owner could deny every
signature. Nobody can tell a well-made modulus from any other product of two large primes. What
can be told without factoring is refused here, by tests whose result is fixed by the text of the
protocol and not by the library that does the arithmetic.
"""

from functools import cache

import gmpy2

SMALLEST_FACTOR = 65_537


def modulus_fault(modulus: int, bits: int) -> str | None:
    """The rule of page 1.4 that `modulus` breaks, or None.

    One exponentiation: 2 ms for 2048 bits, 6 ms for 3072; callers keep the result.
    """
    if modulus.bit_length() != bits or modulus % 2 == 0:
        return f"Its modulus is not an odd number of {bits} bits."
    if gmpy2.gcd(modulus, _small_primes() % modulus) != 1:
        return "Its modulus has a small factor."
    if gmpy2.is_power(modulus):
        return "Its modulus is a power of a smaller number."
    if gmpy2.powmod(2, modulus - 1, modulus) == 1:
        return "Its modulus is a prime number."
    return None


@cache
def _small_primes() -> int:
    """The product of all primes below 65,537."""
    return int(gmpy2.primorial(SMALLEST_FACTOR - 1))
