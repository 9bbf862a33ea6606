"""The peer's blind signatures against the public vectors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .blind import (
    EXPONENT,
    LENGTH,
    Secrets,
    TokenKey,
    blind,
    finish,
    pss,
    public_info,
    read_key,
    refund_secrets,
    token_input,
    token_secrets,
)
from .notation import PeerError

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rfc9578_type2.json").read_text())
SEED = bytes(range(32))


def private_key(index: int = 0) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(bytes.fromhex(VECTORS[index]["skS"]), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def key_of(private: rsa.RSAPrivateKey) -> TokenKey:
    info = public_info(private.public_key().public_numbers().n)
    return read_key(info, hashlib.sha256(info).digest())


def sign(private: rsa.RSAPrivateKey, blinded: bytes) -> bytes:
    numbers = private.private_numbers()
    number = pow(int.from_bytes(blinded, "big"), numbers.d, numbers.public_numbers.n)
    return number.to_bytes(LENGTH, "big")


@pytest.mark.parametrize("index", range(len(VECTORS)))
def test_vectors(index: int) -> None:
    vector = {name: bytes.fromhex(value) for name, value in VECTORS[index].items()}
    key = key_of(private_key(index))
    assert public_info(key.modulus) == vector["pkS"]
    message = (
        b"\x00\x02" + vector["nonce"] + hashlib.sha256(vector["token_challenge"]).digest() + key.id
    )
    factor = pow(int.from_bytes(vector["blind"], "big"), EXPONENT, key.modulus)
    blinded = (pss(message, vector["salt"]) * factor % key.modulus).to_bytes(LENGTH, "big")
    assert vector["token_request"] == b"\x00\x02" + key.id[-1:] + blinded
    assert sign(private_key(index), blinded) == vector["token_response"]
    power = pow(int.from_bytes(vector["token"][98:], "big"), EXPONENT, key.modulus)
    assert (vector["token"][:98], power) == (message, pss(message, vector["salt"]))


def test_token_verifies_with_the_library() -> None:
    private = private_key()
    key = key_of(private)
    secrets = token_secrets(SEED, key, 5)
    token = finish(key, secrets, sign(private, blind(key, secrets)))
    assert len(token) == 354 and token[:98] == token_input(key, secrets.nonce)
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    private.public_key().verify(token[98:], token[:98], scheme, hashes.SHA384())


def test_wrong_blind_signatures() -> None:
    private = private_key()
    key = key_of(private)
    secrets, other = token_secrets(SEED, key, 5), refund_secrets(SEED, key, bytes(32))
    good = sign(private, blind(key, secrets))
    too_large = (int.from_bytes(good, "big") + key.modulus).to_bytes(LENGTH + 1, "big")
    wrong = [sign(private, blind(key, other)), good[:-1], good + b"\0", bytes(LENGTH), too_large]
    for answer in wrong:
        with pytest.raises(PeerError):
            finish(key, secrets, answer)
    changed = Secrets(secrets.nonce, bytes(48), secrets.factor)
    with pytest.raises(PeerError):
        finish(key, changed, good)


def test_wrong_token_keys() -> None:
    info = public_info(key_of(private_key()).modulus)
    plain = (
        private_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    for wrong in (b"", info[:-1], info + b"\0", plain, info[:-1] + b"\x03"):
        with pytest.raises(PeerError):
            read_key(wrong, hashlib.sha256(wrong).digest())
    with pytest.raises(PeerError):
        read_key(info, bytes(32))
