"""RSA blind signatures: the RFC's vectors, round trips, ranges, wrong signatures, blinding."""

import json
import os
import threading
from hashlib import sha384
from math import gcd
from pathlib import Path
from random import Random
from typing import Any

import gmpy2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings, strategies as st

from veilmart.crypto.blind_issuer import IssuerKey, blind_sign, crt_power, issuer_key
from veilmart.crypto.blind_rsa import (
    BlindPublicKey,
    blind,
    choose_blinding,
    finalize,
    verify,
)
from veilmart.crypto.pss_encoding import encode_pss
from veilmart.crypto.token_key import generate_token_key
from veilmart.errors import (
    MalformedMessage,
    Misuse,
    SignatureInvalid,
    StoreDamaged,
    TokenKeyInvalid,
)

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "rfc9474.json").read_text())
SALT = b"s" * 48
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=["RSA-4096", "RSA-2048 without salt"])


@pytest.fixture(scope="module")
def key() -> IssuerKey:
    return generate_token_key()


def number(vector: dict[str, str], name: str) -> int:
    return int(vector[name], 16)


def key_of(vector: dict[str, str]) -> IssuerKey:
    return issuer_key(number(vector, "p"), number(vector, "q"), number(vector, "d"))


def blinding_for(public: BlindPublicKey) -> bytes:
    return choose_blinding(public, lambda _: os.urandom(public.length))


def issued(key: IssuerKey, message: bytes, blinding: bytes) -> bytes:
    blinded = blind(key.public, message, SALT, blinding)
    [answer] = blind_sign(key, [blinded], os.urandom)
    return finalize(key.public, message, answer, blinding)


@each_vector
def test_encoding_of_the_vectors(vector: dict[str, str]) -> None:
    key = key_of(vector)
    assert key.public.modulus == number(vector, "n")
    message, salt = bytes.fromhex(vector["msg"]), bytes.fromhex(vector["salt"])
    encoded = encode_pss(message, salt, key.public.modulus.bit_length() - 1)
    assert encoded.hex() == vector["encoded_msg"].rjust(2 * key.public.length, "0")


@each_vector
def test_signatures_of_the_vectors(vector: dict[str, str]) -> None:
    key = key_of(vector)
    [answer] = blind_sign(key, [bytes.fromhex(vector["blinded_msg"])], os.urandom)
    assert answer.hex() == vector["blind_sig"]
    assert crt_power(key, gmpy2.mpz(vector["blinded_msg"], 16)) == number(vector, "blind_sig")


def test_whole_run_of_the_vector_with_salt() -> None:
    [vector] = [one for one in VECTORS if one["salt"]]
    public = key_of(vector).public
    message = bytes.fromhex(vector["msg"])
    blinding = pow(number(vector, "inv"), -1, public.modulus).to_bytes(public.length, "big")
    blinded = blind(public, message, bytes.fromhex(vector["salt"]), blinding)
    assert blinded.hex() == vector["blinded_msg"]
    signature = finalize(public, message, bytes.fromhex(vector["blind_sig"]), blinding)
    assert signature.hex() == vector["sig"]
    verify(public, message, signature)


def test_signature_without_salt_is_refused() -> None:
    [vector] = [one for one in VECTORS if not one["salt"]]
    message, signature = bytes.fromhex(vector["msg"]), bytes.fromhex(vector["sig"])
    with pytest.raises(SignatureInvalid):
        verify(key_of(vector).public, message, signature)


@settings(max_examples=20, deadline=None)
@given(message=st.binary(max_size=200), noise=st.binary(min_size=32, max_size=32))
def test_the_library_accepts_what_was_signed_blindly(
    key: IssuerKey, message: bytes, noise: bytes
) -> None:
    draw = Random(noise).randbytes
    blinding = choose_blinding(key.public, lambda _: draw(256))
    signature = issued(key, message, blinding)
    library = rsa.RSAPublicNumbers(65537, key.public.modulus).public_key()
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    library.verify(signature, message, pss, hashes.SHA384())


@pytest.mark.parametrize("message", [b"", b"\0", b"m" * 98, b"m" * 100_000], ids=len)
def test_message_and_salt_decide_the_signature(key: IssuerKey, message: bytes) -> None:
    first, second = blinding_for(key.public), blinding_for(key.public)
    assert blind(key.public, message, SALT, first) != blind(key.public, message, SALT, second)
    assert issued(key, message, first) == issued(key, message, second)


def test_several_are_signed_in_order(key: IssuerKey) -> None:
    blinding = blinding_for(key.public)
    messages = [b"message %d" % index for index in range(5)]
    blinded = [blind(key.public, message, SALT, blinding) for message in messages]
    answers = blind_sign(key, blinded, os.urandom)
    for message, answer in zip(messages, answers, strict=True):
        verify(key.public, message, finalize(key.public, message, answer, blinding))
    assert blind_sign(key, [], os.urandom) == []


def out_of_range(public: BlindPublicKey) -> dict[str, bytes]:
    n, length = public.modulus, public.length
    return {
        "empty": b"",
        "one byte less": b"\x01" * (length - 1),
        "one byte more": b"\x00" + b"\x01" * length,
        "zero": bytes(length),
        "n": n.to_bytes(length, "big"),
        "n + 1": (n + 1).to_bytes(length, "big"),
        "all ones": b"\xff" * length,
    }


def test_numbers_out_of_range_are_not_signed(key: IssuerKey) -> None:
    good = blind(key.public, b"", SALT, blinding_for(key.public))
    for wrong in out_of_range(key.public).values():
        with pytest.raises(MalformedMessage):
            blind_sign(key, [good, wrong], os.urandom)


@pytest.mark.parametrize("value", [1, 2, -1], ids=["1", "2", "n - 1"])
def test_numbers_at_the_ends_of_the_range_are_signed(key: IssuerKey, value: int) -> None:
    n = key.public.modulus
    [answer] = blind_sign(key, [(value % n).to_bytes(256, "big")], os.urandom)
    assert pow(int.from_bytes(answer, "big"), 65537, n) == value % n


def test_wrong_signatures_do_not_verify(key: IssuerKey) -> None:
    message = b"message"
    signature = issued(key, message, blinding_for(key.public))
    verify(key.public, message, signature)
    n, s = key.public.modulus, int.from_bytes(signature, "big")
    wrong = out_of_range(key.public)
    wrong |= {
        "s + n with a byte more": (s + n).to_bytes(257, "big"),
        "n - s": (n - s).to_bytes(256, "big"),
        "first bit": bytes([signature[0] ^ 1]) + signature[1:],
        "last bit": signature[:-1] + bytes([signature[-1] ^ 1]),
        "cut": signature[:-1],
        "longer": signature + b"\0",
        "zero before": b"\0" + signature,
    }
    for changed in wrong.values():
        with pytest.raises(SignatureInvalid):
            verify(key.public, message, changed)
    for other in (b"messagf", b"", b"message\0"):
        with pytest.raises(SignatureInvalid):
            verify(key.public, other, signature)
    with pytest.raises(SignatureInvalid):
        verify(generate_token_key().public, message, signature)


def test_signature_plus_modulus_of_the_same_length_does_not_verify(key: IssuerKey) -> None:
    n = key.public.modulus
    for attempt in range(200):
        message = b"message %d" % attempt
        signature = issued(key, message, blinding_for(key.public))
        doubled = int.from_bytes(signature, "big") + n
        if doubled < 2**2048:
            break
    with pytest.raises(SignatureInvalid):
        verify(key.public, message, doubled.to_bytes(256, "big"))


def test_blind_signature_of_something_else_is_not_finalized(key: IssuerKey) -> None:
    blinding = blinding_for(key.public)
    blinded = blind(key.public, b"message", SALT, blinding)
    [good] = blind_sign(key, [blinded], os.urandom)
    [of_other] = blind_sign(key, [blind(key.public, b"other", SALT, blinding)], os.urandom)
    wrong = {**out_of_range(key.public), "of another message": of_other, "not signed": blinded}
    for answer in wrong.values():
        with pytest.raises(SignatureInvalid):
            finalize(key.public, b"message", answer, blinding)
    with pytest.raises(SignatureInvalid):
        finalize(key.public, b"message", good, blinding_for(key.public))
    with pytest.raises(SignatureInvalid):
        finalize(key.public, b"messagf", good, blinding)


def test_our_own_wrong_lengths_are_misuse(key: IssuerKey) -> None:
    blinding = blinding_for(key.public)
    for salt in (b"", bytes(47), bytes(49)):
        with pytest.raises(Misuse):
            blind(key.public, b"", salt, blinding)
    one = b"\x01".rjust(256, b"\0")
    factor = int(key.p).to_bytes(256, "big")
    for wrong in (*out_of_range(key.public).values(), one, factor):
        with pytest.raises(Misuse):
            blind(key.public, b"", SALT, wrong)
        with pytest.raises(Misuse):
            finalize(key.public, b"", one, wrong)
    with pytest.raises(Misuse):
        choose_blinding(key.public, lambda _: bytes(255))
    with pytest.raises(Misuse):
        encode_pss(b"", bytes(207), 2047)


def test_a_modulus_with_small_factors_is_noticed() -> None:
    small = 3 * 5 * 7 * 11 * 13
    public = BlindPublicKey(small * (2**2048 // small - 1 | 1))
    assert (public.modulus.bit_length(), public.modulus % 2) == (2048, 1)
    refused = 0
    for index in range(40):
        try:
            blind(public, b"%d" % index, SALT, blinding_for(public))
        except TokenKeyInvalid:
            refused += 1
    assert refused > 5
    with pytest.raises(TokenKeyInvalid):
        choose_blinding(public, lambda _: bytes(256))


@pytest.mark.parametrize("modulus", [129, 135, 143, 255])
def test_blinding_factors_are_exactly_those_allowed(modulus: int) -> None:
    public = BlindPublicKey(modulus)
    drawn = choose_from(public, range(256))
    assert drawn == [r for r in range(256) if 1 < r < modulus and gcd(r, modulus) == 1]


def choose_from(public: BlindPublicKey, values: range) -> list[int]:
    """Everything that is accepted, in order."""
    accepted: list[int] = []
    rest = list(values)
    while rest:
        taken = 0

        def candidate(index: int) -> bytes:
            nonlocal taken
            taken = index
            return bytes((rest[index],))

        try:
            accepted.append(choose_blinding(public, candidate)[0])
        except IndexError:
            break
        del rest[: taken + 1]
    return accepted


def test_blinding_factors_are_uniform() -> None:
    # A remainder instead of rejection would take the lowest quarter twice as often.
    public = key_of(VECTORS[1]).public
    draw = Random(9474).randbytes
    counts = [0] * 16
    draws = 8000
    for _ in range(draws):
        value = int.from_bytes(choose_blinding(public, lambda _: draw(256)), "big")
        counts[value * 16 // public.modulus] += 1
    expected = draws / 16
    chi_squared = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_squared < 37.7  # 15 degrees of freedom: 1 in 1,000; the seed is fixed


def test_no_base_is_raised_as_it_was_asked(key: IssuerKey, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bytes] = []
    raised: list[int] = []

    def random(length: int) -> bytes:
        drawn.append(os.urandom(length))
        return drawn[-1]

    def watched(of: IssuerKey, base: Any) -> Any:
        raised.append(int(base))
        return crt_power(of, base)

    monkeypatch.setattr("veilmart.crypto.blind_issuer.crt_power", watched)
    blinded = blind(key.public, b"", SALT, blinding_for(key.public))
    asked = int.from_bytes(blinded, "big")
    signatures = [
        signature
        for count in (1, 32, 1)
        for signature in blind_sign(key, [blinded] * count, random)
    ]
    assert len(signatures) == len(raised) == 34
    assert len(set(signatures)) == 1
    assert len({*raised, asked}) == 35
    # What was drawn last is what masked the last one.
    n = key.public.modulus
    assert raised[-1] == asked * pow(int.from_bytes(drawn[-1], "big"), 65537, n) % n


def test_a_miscalculated_signature_does_not_leave(key: IssuerKey) -> None:
    # What a fault attack would have: gcd(s^e - m, n) is then a factor.
    faulty = IssuerKey(key.public, key.p, key.q, key.d_p ^ 2, key.d_q, key.q_inverse)
    blinded = blind(key.public, b"", SALT, blinding_for(key.public))
    base = gmpy2.mpz.from_bytes(blinded, "big")
    given_away = gcd(
        pow(int(crt_power(faulty, base)), 65537, key.public.modulus) - int(base), key.public.modulus
    )
    assert given_away in (key.p, key.q)
    with pytest.raises(StoreDamaged):
        blind_sign(faulty, [blinded], os.urandom)


def test_no_secret_in_the_repr(key: IssuerKey) -> None:
    text = repr(key)
    for secret in (key.p, key.q, key.d_p, key.d_q, key.q_inverse):
        assert str(int(secret)) not in text
        assert f"{int(secret):x}" not in text


def test_other_threads_run_while_one_signs() -> None:
    # Not a key: odd numbers so long that one power takes a good part of a second.
    p, q = (2**8000 + Random(seed).getrandbits(8000) | 1 for seed in (1, 2))
    modulus = gmpy2.mpz(p * q)
    slow = IssuerKey(BlindPublicKey(int(modulus)), gmpy2.mpz(p), gmpy2.mpz(q), p, q, q)
    before: Any = gmpy2.get_context().allow_release_gil
    begun, ended, refused = threading.Event(), threading.Event(), threading.Event()

    def random(length: int) -> bytes:
        begun.set()
        return b"\0" + os.urandom(length - 1)

    def sign() -> None:
        try:
            blind_sign(slow, [b"\x01".rjust(slow.public.length, b"\0")], random)
        except StoreDamaged:
            refused.set()
        finally:
            ended.set()

    thread = threading.Thread(target=sign)
    thread.start()
    begun.wait()
    turns = 0
    while not ended.is_set():
        turns += 1
        ended.wait(0.001)
    thread.join()
    # There are a handful of calls into GMP: with the lock held, as many turns as calls at most.
    assert refused.is_set()
    assert turns > 30
    assert gmpy2.get_context().allow_release_gil == before


def test_encoding_has_the_form_of_the_rfc() -> None:
    for bits in (2047, 2048, 2045, 784):
        encoded = encode_pss(b"message", SALT, bits)
        assert len(encoded) == (bits + 7) // 8
        assert int.from_bytes(encoded, "big").bit_length() <= bits
        assert encoded[-1] == 0xBC
        digest = sha384(bytes(8) + sha384(b"message").digest() + SALT).digest()
        assert encoded[-49:-1] == digest
