"""RSA keys for tests, from prepared primes: no search, so a key costs 1 ms instead of 60 to 130.

Each key is a pair of primes that this run of the tests has not used before. A counter in a file,
which test workers and the programs that they start share, says which pair is next; so no two keys
of one market are the same. Tests of cryptography generate theirs (`tests/crypto/conftest.py`).

`python -m tests.support.prepared_keys` makes other primes.
"""

import base64
import fcntl
import json
import math
import os
from pathlib import Path
from typing import Any

import gmpy2
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.made_once import shared_folder

PRIMES = Path(__file__).with_name("primes.json")
EXPONENT = 65537
COUNTS = {2048: 128, 3072: 96}  # bits of a key: primes, of half as many bits

generated = rsa.generate_private_key


def install() -> None:
    """Hand out prepared keys in this process from now on."""
    counter = shared_folder() / "keys"
    primes = {
        int(bits): [int.from_bytes(base64.b64decode(prime), "big") for prime in found]
        for bits, found in json.loads(PRIMES.read_text()).items()
    }

    def prepared(public_exponent: int, key_size: int, backend: Any = None) -> rsa.RSAPrivateKey:
        pair = None
        if public_exponent == EXPONENT and key_size in primes:
            pair = _pair(primes[key_size], _next(counter.with_suffix(f".{key_size}")))
        return _key(*pair) if pair else generated(public_exponent, key_size, backend)

    rsa.generate_private_key = prepared


def _next(path: Path) -> int:
    with path.open("a+") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        number = int(counter.read() or 0)
        counter.truncate(0)
        counter.write(str(number + 1))
        counter.flush()
    return number


def _pair(primes: list[int], number: int) -> tuple[int, int] | None:
    """The pairs in a fixed order; None when all were used."""
    high = (1 + math.isqrt(1 + 8 * number)) // 2
    return (primes[high], primes[number - high * (high - 1) // 2]) if high < len(primes) else None


def _key(p: int, q: int) -> rsa.RSAPrivateKey:
    d = rsa.rsa_recover_private_exponent(EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _prime(bits: int) -> int:
    """With its two highest bits set, so that a product of two has twice the bits."""
    while True:
        number = int.from_bytes(os.urandom(bits // 8), "big") | 3 << bits - 2
        prime = int(gmpy2.next_prime(number))
        if prime.bit_length() == bits and math.gcd(prime - 1, EXPONENT) == 1:
            return prime


def _make() -> None:
    made = {
        str(bits): [
            base64.b64encode(_prime(bits // 2).to_bytes(bits // 16, "big")).decode()
            for _ in range(count)
        ]
        for bits, count in COUNTS.items()
    }
    PRIMES.write_text(json.dumps(made, indent=0) + "\n")


if __name__ == "__main__":
    _make()
