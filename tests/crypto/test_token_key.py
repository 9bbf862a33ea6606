"""Token keys: the one encoding of RFC 9578, storing and reading again, keys of other forms."""

import os
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from veilmart.crypto.blind_issuer import IssuerKey, blind_sign
from veilmart.crypto.token_key import (
    generate_token_key,
    parse_token_key,
    token_key_from_bytes,
    token_key_to_bytes,
    token_public_key,
)
from veilmart.errors import StoreDamaged, TokenKeyInvalid

DER = serialization.Encoding.DER
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def key() -> IssuerKey:
    return generate_token_key()


def test_public_half_is_read_as_it_is_written(key: IssuerKey) -> None:
    public = token_public_key(key)
    assert len(public.spki) == 342
    assert public.key_id == sha256(public.spki).digest()
    assert public.numbers == key.public
    assert parse_token_key(public.spki) == public
    library = serialization.load_der_public_key(public.spki)
    assert isinstance(library, rsa.RSAPublicKey)
    assert library.public_numbers() == rsa.RSAPublicNumbers(65537, key.public.modulus)


def test_other_public_keys_are_refused(key: IssuerKey) -> None:
    good = token_public_key(key).spki
    n = key.public.modulus
    plain = rsa.RSAPublicNumbers(65537, n).public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    modulus = n.to_bytes(256, "big")
    wrong = {
        "empty": b"",
        "cut": good[:-1],
        "a byte more": good + b"\0",
        "rsaEncryption": plain.public_bytes(DER, spki),
        "PKCS 1": plain.public_bytes(DER, serialization.PublicFormat.PKCS1),
        "exponent 3": good[:-3] + b"\x00\x00\x03",
        "SHA-256": good.replace(bytes.fromhex("6503040202"), bytes.fromhex("6503040201")),
        "salt of 32": good.replace(bytes.fromhex("020130"), bytes.fromhex("020120"), 1),
        "modulus of 2047 bits": good.replace(modulus, (n >> 1 | 1).to_bytes(256, "big")),
        "even modulus": good.replace(modulus, (n - 1).to_bytes(256, "big")),
        "zero modulus": good.replace(modulus, bytes(256)),
    }
    for name, changed in wrong.items():
        assert changed != good, name
        with pytest.raises(TokenKeyInvalid):
            parse_token_key(changed)


def test_private_half_is_read_as_it_is_written(key: IssuerKey) -> None:
    stored = token_key_to_bytes(key)
    again = token_key_from_bytes(stored)
    assert again == key
    assert token_key_to_bytes(again) == stored
    message = [b"\x01" * 256]
    assert blind_sign(again, message, os.urandom) == blind_sign(key, message, os.urandom)


def test_damaged_private_keys_are_refused(key: IssuerKey) -> None:
    stored = token_key_to_bytes(key)
    long = rsa.generate_private_key(65537, 3072).private_bytes(DER, PKCS8, PLAIN)
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(DER, PKCS8, PLAIN)
    third = rsa.generate_private_key(3, 2048).private_bytes(DER, PKCS8, PLAIN)
    prime = int(key.p).to_bytes(128, "big")
    other_prime = stored.replace(prime, (int(key.p) ^ 2).to_bytes(128, "big"))
    even_prime = stored.replace(prime, (int(key.p) ^ 1).to_bytes(128, "big"))
    no_prime = stored.replace(prime, bytes(127) + b"\x01")
    assert stored not in (other_prime, even_prime, no_prime)
    for damaged in (b"", stored[:-1], long, curve, third, other_prime, even_prime, no_prime):
        with pytest.raises(StoreDamaged):
            token_key_from_bytes(damaged)
