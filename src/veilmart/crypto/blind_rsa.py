"""RSA blind signatures, the requester's side: RFC 9474, RSABSSA-SHA384-PSS-Deterministic.

Prepare is the identity: the messages that are signed here hold 32 unpredictable bytes, so even an
issuer that made its key on purpose learns nothing from a blinded one (RFC 9474 section 7.3).
Numbers are unsigned, big-endian and exactly as long as the modulus.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import gmpy2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from veilmart.crypto.pss_encoding import encode_pss
from veilmart.errors import Misuse, SignatureInvalid, TokenKeyInvalid

PUBLIC_EXPONENT = 65537
SALT_BYTES = 48
# Each is refused with a chance below one half, as the modulus has its highest bit set.
_TRIES_MAX = 256


@dataclass(frozen=True, slots=True)
class BlindPublicKey:
    """An issuer's public key; the exponent is 65537. The modulus is odd, its highest bit set."""

    modulus: int

    @property
    def length(self) -> int:
        """Bytes of the modulus, of a blinded message and of a signature."""
        return (self.modulus.bit_length() + 7) // 8


def choose_blinding(public: BlindPublicKey, candidate: Callable[[int], bytes]) -> bytes:
    """The blinding factor: the first r with 1 < r < n and gcd(r, n) = 1 of candidate(0, 1, ...).

    candidate(i) gives bytes as long as the modulus, all of them unpredictable; with rejection
    (rather than a remainder) r is uniform. Raises TokenKeyInvalid where none of 256 fits.
    """
    for number in range(_TRIES_MAX):
        drawn = candidate(number)
        if len(drawn) != public.length:
            raise Misuse("A blinding factor is as long as the modulus.")
        value = gmpy2.mpz.from_bytes(drawn, "big")
        if 1 < value < public.modulus and gmpy2.gcd(value, public.modulus) == 1:
            return drawn
    raise TokenKeyInvalid("No blinding factor fits it.")


def blind(public: BlindPublicKey, message: bytes, salt: bytes, blinding: bytes) -> bytes:
    """RFC 9474 section 4.2: the blinded message, as long as the modulus.

    salt: 48 bytes; blinding: from `choose_blinding`, for one message and key only. Raises
    TokenKeyInvalid where the message has a factor in common with the modulus.
    """
    if len(salt) != SALT_BYTES:
        raise Misuse("The salt of a blind signature has 48 bytes.")
    factor = _blinding_number(public, blinding)
    encoded = encode_pss(message, salt, public.modulus.bit_length() - 1)
    number = gmpy2.mpz.from_bytes(encoded, "big")
    if gmpy2.gcd(number, public.modulus) != 1:
        raise TokenKeyInvalid("It has small factors.")
    masked = number * gmpy2.powmod(factor, PUBLIC_EXPONENT, public.modulus) % public.modulus
    return to_bytes(public, masked)


def finalize(
    public: BlindPublicKey, message: bytes, blind_signature: bytes, blinding: bytes
) -> bytes:
    """RFC 9474 section 4.4: the signature of `message`, as long as the modulus.

    Raises SignatureInvalid where the issuer did not sign what `blind` gave for this message.
    """
    number = in_range(public, blind_signature)
    if number is None:
        raise SignatureInvalid("A blind signature is out of range.")
    inverse = gmpy2.invert(_blinding_number(public, blinding), public.modulus)
    signature = to_bytes(public, number * inverse % public.modulus)
    verify(public, message, signature)
    return signature


def verify(public: BlindPublicKey, message: bytes, signature: bytes) -> None:
    """RSASSA-PSS-VERIFY with SHA-384, MGF1-SHA-384, 48 bytes of salt, by the library.

    Raises SignatureInvalid, also for another length and for numbers outside 0 < s < n.
    """
    if in_range(public, signature) is None:
        raise SignatureInvalid("A signature is out of range.")
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), SALT_BYTES)
    try:
        _library_key(public).verify(signature, message, pss, hashes.SHA384())
    except InvalidSignature:
        raise SignatureInvalid() from None


def signs(public: BlindPublicKey, blinded: bytes, blind_signature: bytes) -> bool:
    """Whether it is the blind signature of this blinded message; no secret is needed to tell."""
    number = in_range(public, blind_signature)
    if number is None:
        return False
    return to_bytes(public, gmpy2.powmod(number, PUBLIC_EXPONENT, public.modulus)) == blinded


def in_range(public: BlindPublicKey, data: bytes) -> "gmpy2.mpz | None":
    """The number, if the bytes are as long as the modulus and 0 < number < n."""
    if len(data) != public.length:
        return None
    number = gmpy2.mpz.from_bytes(data, "big")
    return number if 0 < number < public.modulus else None


def to_bytes(public: BlindPublicKey, number: "gmpy2.mpz") -> bytes:
    """As long as the modulus."""
    return int(number).to_bytes(public.length, "big")


def _blinding_number(public: BlindPublicKey, blinding: bytes) -> "gmpy2.mpz":
    number = in_range(public, blinding)
    if number is None or number == 1 or gmpy2.gcd(number, public.modulus) != 1:
        raise Misuse("A blinding factor is not one for this key.")
    return number


@lru_cache(maxsize=64)
def _library_key(public: BlindPublicKey) -> rsa.RSAPublicKey:
    try:
        return rsa.RSAPublicNumbers(PUBLIC_EXPONENT, int(public.modulus)).public_key()
    except ValueError:
        raise TokenKeyInvalid() from None
