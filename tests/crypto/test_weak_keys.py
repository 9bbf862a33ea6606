"""Keys under which anybody can sign, or which have two encodings, are refused (page 1.4)."""

import os

import gmpy2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from veilmart.crypto import identity, signing
from veilmart.crypto.diffie_hellman import FFDHE3072, X25519, ffdhe3072_prime
from veilmart.crypto.rsa_modulus import modulus_fault
from veilmart.crypto.token_key import generate_token_key, parse_token_key, token_public_key
from veilmart.errors import BadPublicValue, SignatureInvalid, TokenKeyInvalid

PRIME = 2**255 - 19
SIGN_BIT = 1 << 255
EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
WEAK = {
    "identity": 1,
    "identity-with-sign": 1 | SIGN_BIT,
    "identity-not-canonical": PRIME + 1,
    "order-2": PRIME - 1,
    "order-2-with-sign": (PRIME - 1) | SIGN_BIT,
    "order-4": 0,
    "order-4-with-sign": SIGN_BIT,
    "order-4-not-canonical": PRIME,
    "order-8": EIGHTH,
    "order-8-with-sign": EIGHTH | SIGN_BIT,
    "order-8-negative": PRIME - EIGHTH,
    "order-8-negative-with-sign": (PRIME - EIGHTH) | SIGN_BIT,
    "not-canonical": PRIME + 3,
    "all-ones": 2**256 - 1,
}
NO_KEY_AT_ALL = (1).to_bytes(32, "little") + bytes(32)


@pytest.mark.parametrize("y", WEAK.values(), ids=WEAK)
def test_a_weak_signing_key_is_refused(y: int) -> None:
    public = y.to_bytes(32, "little")
    with pytest.raises(BadPublicValue):
        signing.check_public_key(public)
    with pytest.raises(SignatureInvalid):
        signing.verify(public, "label", b"10,000,000.00", NO_KEY_AT_ALL)


def test_the_library_alone_takes_a_signature_that_nobody_made() -> None:
    """What the check is for: S = 0 and R = the identity fit every message."""
    weak = Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    weak.verify(NO_KEY_AT_ALL, b"any message")
    with pytest.raises(SignatureInvalid):
        signing.verify(weak.public_bytes_raw(), "label", b"any message", NO_KEY_AT_ALL)


def test_points_off_the_curve_and_wrong_lengths_are_refused() -> None:
    refused = 0
    for y in range(2, 40):
        try:
            signing.check_public_key(y.to_bytes(32, "little"))
        except BadPublicValue:
            refused += 1
    assert 10 < refused < 30  # about half of all y belong to a point
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(BadPublicValue):
            signing.check_public_key(wrong)


def test_honest_signing_keys_are_taken() -> None:
    for _ in range(200):
        signing.check_public_key(signing.public_key(os.urandom(32)))


@pytest.mark.parametrize(
    "change",
    [
        lambda r, s: r + (int.from_bytes(s, "little") + 2**252 + GROUP_TAIL).to_bytes(32, "little"),
        lambda r, s: (int.from_bytes(r, "little") ^ SIGN_BIT).to_bytes(32, "little") + s,
    ],
    ids=["s-plus-the-group-order", "other-sign-of-r"],
)
def test_a_signature_has_one_encoding(change) -> None:
    seed = bytes(range(32))
    signature = signing.sign(seed, "label", b"data")
    with pytest.raises(SignatureInvalid):
        signing.verify(
            signing.public_key(seed), "label", b"data", change(signature[:32], signature[32:])
        )


GROUP_TAIL = 27742317777372353535851937790883648493


@pytest.mark.parametrize(
    "u",
    [
        0,
        1,
        PRIME - 1,
        0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
        0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    ],
)
def test_a_certified_x25519_key_of_low_order_is_refused(u: int) -> None:
    dh, public = X25519(), u.to_bytes(32, "little")
    with pytest.raises(BadPublicValue):
        dh.shared(dh.generate(os.urandom), public)  # so these five are the ones to list
    with pytest.raises(BadPublicValue):
        dh.check_public(public)


def test_a_certified_x25519_key_has_one_encoding() -> None:
    dh = X25519()
    for value in (PRIME + 9, 9 | SIGN_BIT):
        public = value.to_bytes(32, "little")
        dh.shared(dh.generate(os.urandom), public)  # RFC 7748 takes it
        with pytest.raises(BadPublicValue):
            dh.check_public(public)
    with pytest.raises(BadPublicValue):
        dh.check_public(bytes(31))
    for _ in range(50):
        dh.check_public(dh.generate(os.urandom).public)


def test_a_certified_ffdhe3072_key_is_checked_as_in_a_handshake() -> None:
    dh, prime = FFDHE3072(), ffdhe3072_prime()
    for value in (0, 1, prime - 1, prime, prime + 4, prime - 4):
        with pytest.raises(BadPublicValue):
            dh.check_public(value.to_bytes(384, "big"))
    dh.check_public(dh.generate(os.urandom).public)


def _weak_modulus(kind: str, bits: int) -> int:
    half = bits // 2
    match kind:
        case "even":
            return int(2 ** (bits - 1) + 2)
        case "prime":
            return int(gmpy2.next_prime(2 ** (bits - 1) + 2**half))
        case "square":
            return int(gmpy2.next_prime(3 * 2 ** (half - 2) + 2**100)) ** 2
        case "small-factor":
            return 65_521 * int(gmpy2.next_prime(2 ** (bits - 1) // 60_000))
        case "short":
            return int(gmpy2.next_prime(2 ** (half - 2))) * int(gmpy2.next_prime(2**half))
    raise AssertionError(kind)


KINDS = ("even", "prime", "square", "small-factor", "short")


@pytest.mark.parametrize("kind", KINDS)
def test_an_identity_whose_modulus_anybody_can_factor_is_refused(kind: str) -> None:
    modulus = _weak_modulus(kind, 3072)
    assert modulus_fault(modulus, 3072)
    numbers = rsa.RSAPublicNumbers(65537, modulus)
    try:
        spki = numbers.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except ValueError:
        return  # the library has refused it already
    with pytest.raises(SignatureInvalid):
        identity.verify_pss(spki, "label", b"", bytes(384))


def test_a_prime_modulus_would_verify_what_anybody_signs() -> None:
    """Anyone who sees a prime n can compute the private exponent: 65537^-1 mod n - 1."""
    modulus = _weak_modulus("prime", 3072)
    private = pow(65537, -1, modulus - 1)
    message = 0x1234567
    assert pow(pow(message, private, modulus), 65537, modulus) == message
    assert modulus_fault(modulus, 3072) == "Its modulus is a prime number."


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_key_whose_modulus_anybody_can_factor_is_refused(kind: str) -> None:
    good = token_public_key(generate_token_key())
    modulus = _weak_modulus(kind, 2048)
    spki = good.spki.replace(
        good.numbers.modulus.to_bytes(256, "big"), modulus.to_bytes(256, "big")
    )
    with pytest.raises(TokenKeyInvalid):
        parse_token_key(spki)
