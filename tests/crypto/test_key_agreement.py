"""X25519, ffdhe3072, ML-KEM-768, the hash functions and suites against public values."""

import hashlib
import hmac
import os
from typing import Any

import gmpy2
import pytest
from blake3 import blake3

from veilmart.crypto.diffie_hellman import FFDHE3072, X25519, ffdhe3072_prime
from veilmart.crypto.hash_functions import Blake3, HashFunction, Sha256, hkdf
from veilmart.crypto.kem import MLKEM768
from veilmart.crypto.key_derivation import derive
from veilmart.crypto.key_pair import KeyPair
from veilmart.crypto.suite import all_suites, suite_by_id, suite_by_name
from veilmart.errors import BadPublicValue, Misuse, UnknownSuite

PRIME_BYTES = 384


def test_x25519_rfc_7748_section_6_1() -> None:
    dh = X25519()
    one = dh.key_pair(
        bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    )
    two = dh.key_pair(
        bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    )
    assert one.public.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert two.public.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert dh.shared(one, two.public).hex() == shared
    assert dh.shared(two, one.public).hex() == shared
    assert dh.shared(KeyPair(one.private, one.public), two.public).hex() == shared


@pytest.mark.parametrize(
    "low_order",
    [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18, 2**255],
    ids=["zero", "one", "minus-one", "p", "p-plus-one", "zero-with-the-ignored-bit"],
)
def test_x25519_low_order_values_are_refused(low_order: int) -> None:
    dh = X25519()
    with pytest.raises(BadPublicValue):
        dh.shared(dh.generate(os.urandom), low_order.to_bytes(32, "little"))


def test_x25519_lengths() -> None:
    dh = X25519()
    pair = dh.generate(os.urandom)
    for wrong in (b"", pair.public[:-1], pair.public + b"\0"):
        with pytest.raises(BadPublicValue):
            dh.shared(pair, wrong)
    with pytest.raises(Misuse):
        dh.shared(KeyPair(pair.private[:-1], pair.public), pair.public)
    assert pair.private.hex() not in repr(pair)
    assert repr(pair.private) not in repr(pair)


def test_ffdhe3072_prime_from_its_formula() -> None:
    """RFC 7919 appendix A.2: p = 2^3072 - 2^3008 + (floor(2^2942 * e) + 2625351) * 2^64 - 1."""
    with gmpy2.context(gmpy2.get_context(), precision=4000):
        e = gmpy2.exp(gmpy2.mpfr(1))
        digits = int(gmpy2.floor(e * gmpy2.mpz(2) ** 2942))
    p = 2**3072 - 2**3008 + (digits + 2625351) * 2**64 - 1
    assert ffdhe3072_prime() == p
    assert gmpy2.is_prime(p)
    assert gmpy2.is_prime((p - 1) // 2)
    assert pow(2, (p - 1) // 2, p) == 1


def test_ffdhe3072_agrees_with_plain_arithmetic() -> None:
    dh, p = FFDHE3072(), ffdhe3072_prime()
    one, two = dh.generate(os.urandom), dh.generate(os.urandom)
    x, y = (int.from_bytes(pair.private, "big") for pair in (one, two))
    assert x.bit_length() == y.bit_length() == 384
    assert int.from_bytes(one.public, "big") == pow(2, x, p)
    expected = pow(2, x * y, p).to_bytes(PRIME_BYTES, "big")
    assert dh.shared(one, two.public) == expected
    assert dh.shared(two, one.public) == expected


@pytest.mark.parametrize(
    "name", ["0", "1", "p-1", "p", "p+1", "largest", "p-2-of-order-2q", "minus-4-of-order-2q"]
)
def test_ffdhe3072_bad_values_are_refused(name: str) -> None:
    dh, p = FFDHE3072(), ffdhe3072_prime()
    value = {
        "0": 0,
        "1": 1,
        "p-1": p - 1,
        "p": p,
        "p+1": p + 1,
        "largest": 2**3072 - 1,
        "p-2-of-order-2q": p - 2,
        "minus-4-of-order-2q": p - 4,
    }[name]
    with pytest.raises(BadPublicValue):
        dh.shared(dh.generate(os.urandom), value.to_bytes(PRIME_BYTES, "big"))


def test_ffdhe3072_edges_of_the_range() -> None:
    dh = FFDHE3072()
    pair = dh.generate(os.urandom)
    assert dh.shared(pair, (2).to_bytes(PRIME_BYTES, "big")) == pair.public
    for wrong in (b"", pair.public[1:], b"\0" + pair.public):
        with pytest.raises(BadPublicValue):
            dh.shared(pair, wrong)
    for exponent in (bytes(48), pair.private[1:], pair.private + b"\0"):
        with pytest.raises(Misuse):
            dh.key_pair(exponent)


def test_ml_kem_768() -> None:
    kem = MLKEM768()
    pair = kem.generate(os.urandom)
    assert pair == kem.generate(lambda size: pair.private[:size])
    ciphertext, shared = kem.encapsulate(pair.public, os.urandom)
    assert (len(pair.public), len(ciphertext), len(shared)) == (1184, 1088, 32)
    assert kem.decapsulate(pair, ciphertext) == shared
    assert kem.decapsulate(KeyPair(pair.private, pair.public), ciphertext) == shared
    changed = bytes((ciphertext[0] ^ 1,)) + ciphertext[1:]
    assert kem.decapsulate(pair, changed) != shared


def test_ml_kem_768_malformed_values() -> None:
    kem = MLKEM768()
    pair = kem.generate(os.urandom)
    # Twelve one bits are the coefficient 4095, above q = 3329 (FIPS 203 section 7.2).
    for wrong in (b"", pair.public[:-1], pair.public + b"\0", b"\xff" * 3 + pair.public[3:]):
        with pytest.raises(BadPublicValue):
            kem.encapsulate(wrong, os.urandom)
    for wrong in (b"", bytes(1087), bytes(1089)):
        with pytest.raises(BadPublicValue):
            kem.decapsulate(pair, wrong)
    with pytest.raises(Misuse):
        kem.decapsulate(KeyPair(pair.private[:-1], pair.public), bytes(1088))
    with pytest.raises(Misuse):
        kem.generate(lambda size: bytes(size - 1))


def test_blake3_published_vectors() -> None:
    """BLAKE3 test_vectors.json, input length 0: all three modes that are used."""
    assert Blake3().hash(b"").hex() == (
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    )
    keyed = blake3(b"", key=b"whats the Elvish word for friend").hexdigest()
    assert keyed == "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"
    context = "BLAKE3 2019-12-27 16:29:52 test vectors context"
    derived = blake3(b"", derive_key_context=context).hexdigest()
    assert derived == "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"


@pytest.mark.parametrize("key_bytes", [0, 1, 32, 63, 64, 65, 200])
def test_hmac_agrees_with_the_standard_library(key_bytes: int) -> None:
    key, data = os.urandom(key_bytes), os.urandom(77)
    make: Any = blake3
    expected = hmac.new(key, data, make).digest()
    assert Blake3().hmac(key, data) == expected
    assert Sha256().hmac(key, data) == hmac.new(key, data, "sha256").digest()


@pytest.mark.parametrize("hash_function", [Blake3(), Sha256()], ids=lambda function: function.name)
def test_hkdf_with_three_outputs_begins_like_that_with_two(hash_function: HashFunction) -> None:
    three = hkdf(hash_function, bytes(32), b"material", 3)
    assert hkdf(hash_function, bytes(32), b"material", 2) == three[:2]
    assert len(set(three)) == 3


def test_suites() -> None:
    assert [suite.id for suite in all_suites()] == [1, 2]
    for suite in all_suites():
        assert suite_by_id(suite.id) is suite
        assert suite_by_name(suite.name) is suite
        assert suite.name.endswith(f"{suite.cipher.name.split('-')[0]}-{suite.hash_function.name}")
        assert len(suite.hash(b"")) == len(suite.hmac(b"", b"")) == 32
    assert suite_by_id(1).pattern("NK") == "NKhfs"
    assert suite_by_id(2).pattern("NK") == "NK"
    assert suite_by_id(2).hash(b"x") == hashlib.sha256(b"x").digest()
    with pytest.raises(UnknownSuite):
        suite_by_id(0)
    with pytest.raises(UnknownSuite):
        suite_by_name("x25519mlkem768-khae-blake3")


def test_derive_is_hkdf_expand() -> None:
    """Against RFC 5869's own expansion, written out once more."""
    key, parts = os.urandom(32), (b"a", b"", b"bc")
    info = b"".join(len(field).to_bytes(8, "little") + field for field in (b"label", *parts)) + (
        70
    ).to_bytes(8, "little")
    one = hmac.new(key, info + b"\1", "sha256").digest()
    two = hmac.new(key, one + info + b"\2", "sha256").digest()
    three = hmac.new(key, two + info + b"\3", "sha256").digest()
    assert derive(key, "label", *parts, length=70) == (one + two + three)[:70]


def test_derive_separates_its_inputs() -> None:
    key = bytes(range(32))
    outputs = [
        derive(key, "a", b"bc"),
        derive(key, "a", b"b", b"c"),
        derive(key, "a", b"bc", b""),
        derive(key, "ab", b"c"),
        derive(key, "abc"),
        derive(key[::-1], "a", b"bc"),
        derive(key, "a", b"bc", length=64)[:32],
    ]
    assert len(set(outputs)) == len(outputs)
    for length in (0, -1, 255 * 32 + 1):
        with pytest.raises(Misuse):
            derive(key, "a", length=length)
    assert len(derive(key, "a", length=255 * 32)) == 255 * 32
    with pytest.raises(Misuse):
        derive(key, "")
    with pytest.raises(Misuse):
        derive(b"short", "a")
