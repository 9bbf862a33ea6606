"""Token keys as bytes: RSA-2048, e = 65537, in the form of RFC 9578 section 6.5.

The public half is a SubjectPublicKeyInfo with the RSASSA-PSS identifier and parameters SHA-384,
MGF1-SHA-384, salt of 48 bytes. All of it but the modulus is fixed, so it is compared, not parsed:
a key has exactly one encoding and one id.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from veilmart.crypto.blind_issuer import IssuerKey, issuer_key
from veilmart.crypto.blind_rsa import PUBLIC_EXPONENT, BlindPublicKey
from veilmart.crypto.rsa_modulus import modulus_fault
from veilmart.errors import StoreDamaged, TokenKeyInvalid

KEY_BITS = 2048
MODULUS_BYTES = 256
SPKI_BYTES = 342
# SEQUENCE { SEQUENCE { id-RSASSA-PSS, { [0] { id-sha384 }, [1] { id-mgf1, { id-sha384 } },
# [2] 48 } }, BIT STRING { SEQUENCE { INTEGER n, ... RFC 4055 section 3.1; absent parameters of the
# hash, as RFC 9578 prints them.
_BEFORE_MODULUS = bytes.fromhex(
    "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202"
    "a11a301806092a864886f70d010108300b0609608648016503040202a2030201300382010f003082010a"
    "0282010100"
)
_AFTER_MODULUS = bytes.fromhex("0203010001")


@dataclass(frozen=True, slots=True)
class TokenPublicKey:
    """spki: 342 bytes; key_id: SHA-256 of it, 32 bytes; numbers: for `blind_rsa`."""

    spki: bytes
    key_id: bytes
    numbers: BlindPublicKey


def generate_token_key() -> IssuerKey:
    """A fresh RSA-2048 key. The library draws its own randomness."""
    return _from_library(rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS))


def token_key_to_bytes(key: IssuerKey) -> bytes:
    """PKCS #8, DER, not encrypted: the caller must seal it before storing it."""
    p, q = int(key.p), int(key.q)
    d = rsa.rsa_recover_private_exponent(PUBLIC_EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=int(key.d_p),
        dmq1=int(key.d_q),
        iqmp=int(key.q_inverse),
        public_numbers=rsa.RSAPublicNumbers(PUBLIC_EXPONENT, p * q),
    )
    # The primes were tested when the key was made; testing them again takes 40 ms.
    key_again = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    return key_again.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def token_key_from_bytes(data: bytes) -> IssuerKey:
    """Raises StoreDamaged unless it is an RSA-2048 private key with e = 65537."""
    try:
        # As with identity keys: the primes were tested when the key was made.
        key = serialization.load_der_private_key(
            data, password=None, unsafe_skip_rsa_key_validation=True
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StoreDamaged("A token key cannot be read.") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise StoreDamaged("A token key is not an RSA-2048 key.")
    public = key.public_key().public_numbers()
    found = _from_library(key)
    if (key.key_size, public.e) != (KEY_BITS, PUBLIC_EXPONENT) or found.public.modulus != public.n:
        raise StoreDamaged("A token key is not an RSA-2048 key.")
    return found


def token_public_key(key: IssuerKey) -> TokenPublicKey:
    """The public half, with its encoding and id."""
    modulus = key.public.modulus.to_bytes(MODULUS_BYTES, "big")
    return parse_token_key(_BEFORE_MODULUS + modulus + _AFTER_MODULUS)


@lru_cache(maxsize=256)
def parse_token_key(spki: bytes) -> TokenPublicKey:
    """The RSA public key of a token key, from its encoding.

    Raises TokenKeyInvalid unless it is the one encoding of an RSA-2048 key with e = 65537 and a
    modulus that page 1.4 allows.
    """
    start, end = len(_BEFORE_MODULUS), len(_BEFORE_MODULUS) + MODULUS_BYTES
    modulus = int.from_bytes(spki[start:end], "big")
    expected = _BEFORE_MODULUS + spki[start:end] + _AFTER_MODULUS
    if len(spki) != SPKI_BYTES or spki != expected:
        raise TokenKeyInvalid("It has another form.")
    fault = modulus_fault(modulus, KEY_BITS)
    if fault:
        raise TokenKeyInvalid(fault)
    return TokenPublicKey(spki, sha256(spki).digest(), BlindPublicKey(modulus))


def _from_library(key: rsa.RSAPrivateKey) -> IssuerKey:
    numbers = key.private_numbers()
    try:
        return issuer_key(numbers.p, numbers.q, numbers.d)
    except ZeroDivisionError:
        raise StoreDamaged("A token key cannot be read.") from None
