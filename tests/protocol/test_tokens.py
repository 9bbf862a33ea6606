"""Tokens of RFC 9578 type 2: its vectors, a whole issuance, and everything that is no token."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, strategies as st

from tests.peer import blind as second
from tests.protocol.protocol_samples import flipped
from veilmart.crypto import blind_rsa
from veilmart.crypto.blind_issuer import IssuerKey, blind_sign, issuer_key
from veilmart.crypto.token_key import (
    TokenPublicKey,
    generate_token_key,
    parse_token_key,
    token_public_key,
)
from veilmart.errors import Misuse, TokenInvalid
from veilmart.protocol.token import (
    TokenSecrets,
    blind_token,
    challenge,
    check_token,
    finish_token,
    parse_token,
    token_input,
)
from veilmart.protocol.wallet_derivations import refund_secrets, token_secrets

VECTORS = json.loads(
    (Path(__file__).resolve().parents[2] / "vectors" / "rfc9578_type2.json").read_text()
)
SEED = bytes(range(32))


@pytest.fixture(scope="module")
def issuer() -> IssuerKey:
    return generate_token_key()


@pytest.fixture(scope="module")
def key(issuer: IssuerKey) -> TokenPublicKey:
    return token_public_key(issuer)


def withdrawn(issuer: IssuerKey, key: TokenPublicKey, secrets: TokenSecrets) -> bytes:
    [answer] = blind_sign(issuer, [blind_token(key, secrets)], os.urandom)
    return finish_token(key, secrets, answer)


@pytest.fixture(scope="module")
def token(issuer: IssuerKey, key: TokenPublicKey) -> bytes:
    return withdrawn(issuer, key, token_secrets(SEED, key, 0))


@pytest.mark.parametrize("index", range(len(VECTORS)))
def test_issuance_of_the_vectors(index: int) -> None:
    vector = {name: bytes.fromhex(value) for name, value in VECTORS[index].items()}
    private = serialization.load_pem_private_key(vector["skS"], None)
    assert isinstance(private, rsa.RSAPrivateKey)
    numbers = private.private_numbers()
    issuer = issuer_key(numbers.p, numbers.q, numbers.d)
    key = parse_token_key(vector["pkS"])
    assert key == token_public_key(issuer)
    digest = sha256(vector["token_challenge"]).digest()
    message = b"\x00\x02" + vector["nonce"] + digest + key.key_id
    blinded = blind_rsa.blind(key.numbers, message, vector["salt"], vector["blind"])
    assert b"\x00\x02" + key.key_id[-1:] + blinded == vector["token_request"]
    assert blind_sign(issuer, [blinded], os.urandom) == [vector["token_response"]]
    authenticator = blind_rsa.finalize(
        key.numbers, message, vector["token_response"], vector["blind"]
    )
    assert message + authenticator == vector["token"]
    # Well signed, but for another challenge than ours.
    with pytest.raises(TokenInvalid):
        parse_token(vector["token"])


def test_the_one_challenge() -> None:
    assert challenge() == b"\x00\x02\x00\x08veilmart\x00\x00\x00"


def test_what_is_signed() -> None:
    message = token_input(b"n" * 32, b"k" * 32)
    assert message == b"\x00\x02" + b"n" * 32 + sha256(challenge()).digest() + b"k" * 32
    assert len(message) == 98
    for nonce, key_id in ((b"n" * 31, b"k" * 32), (b"n" * 32, b"k" * 33)):
        with pytest.raises(Misuse):
            token_input(nonce, key_id)


def test_a_withdrawn_token(issuer: IssuerKey, key: TokenPublicKey, token: bytes) -> None:
    secrets = token_secrets(SEED, key, 0)
    parsed = parse_token(token)
    check_token(key, parsed)
    assert len(token) == 354
    assert (parsed.nonce, parsed.key_id) == (secrets.nonce, key.key_id)
    assert token[:98] + parsed.authenticator == token
    assert withdrawn(issuer, key, secrets) == token


def test_signed_blindly_and_seen_later_have_nothing_in_common(
    key: TokenPublicKey, token: bytes
) -> None:
    secrets = token_secrets(SEED, key, 0)
    blinded = blind_token(key, secrets)
    assert blinded not in token
    assert secrets.nonce not in blinded
    other = blind_rsa.choose_blinding(key.numbers, lambda _: os.urandom(256))
    assert blind_token(key, TokenSecrets(secrets.nonce, secrets.salt, other)) != blinded


@pytest.mark.parametrize("length", [0, 1, 97, 98, 353, 355, 708])
def test_tokens_of_other_lengths_are_refused(token: bytes, length: int) -> None:
    with pytest.raises(TokenInvalid):
        parse_token((token + token)[:length])


@given(index=st.integers(0, 353), bit=st.integers(0, 7))
def test_a_changed_token_is_refused(
    key: TokenPublicKey, token: bytes, index: int, bit: int
) -> None:
    with pytest.raises(TokenInvalid):
        check_token(key, parse_token(flipped(token, index, bit)))


def test_numbers_beyond_the_modulus_are_refused(key: TokenPublicKey, token: bytes) -> None:
    n = key.numbers.modulus
    signature = int.from_bytes(token[98:], "big")
    for number in (0, n - signature, n, n + 1, signature + n, 2**2048 - 1):
        changed = token[:98] + (number % 2**2048).to_bytes(256, "big")
        with pytest.raises(TokenInvalid):
            check_token(key, parse_token(changed))


def test_token_of_another_key_is_refused(key: TokenPublicKey, token: bytes) -> None:
    other_issuer = generate_token_key()
    other = token_public_key(other_issuer)
    theirs = withdrawn(other_issuer, other, token_secrets(SEED, other, 0))
    check_token(other, parse_token(theirs))
    renamed = theirs[:66] + key.key_id + theirs[98:]
    for wrong in (theirs, renamed):
        with pytest.raises(TokenInvalid):
            check_token(key, parse_token(wrong))
    with pytest.raises(TokenInvalid):
        check_token(other, parse_token(token))


def test_an_answer_to_another_request_gives_no_token(
    issuer: IssuerKey, key: TokenPublicKey
) -> None:
    secrets, other = token_secrets(SEED, key, 1), token_secrets(SEED, key, 2)
    [answer] = blind_sign(issuer, [blind_token(key, other)], os.urandom)
    for wrong in (answer, b"", answer[:-1], answer + b"\0", bytes(256), b"\xff" * 256):
        with pytest.raises(TokenInvalid):
            finish_token(key, secrets, wrong)


def test_the_second_customer_makes_the_same_tokens(issuer: IssuerKey, key: TokenPublicKey) -> None:
    their_key = second.read_key(key.spki, key.key_id)
    order_key = b"o" * 32
    pairs = [
        (token_secrets(SEED, key, counter), second.token_secrets(SEED, their_key, counter))
        for counter in range(8)
    ]
    refund = second.refund_secrets(SEED, their_key, order_key)
    pairs.append((refund_secrets(SEED, key, order_key), refund))
    for ours, theirs in pairs:
        blinded = blind_token(key, ours)
        assert second.blind(their_key, theirs) == blinded
        [answer] = blind_sign(issuer, [blinded], os.urandom)
        assert second.finish(their_key, theirs, answer) == finish_token(key, ours, answer)


def test_no_secret_in_the_repr(key: TokenPublicKey, token: bytes) -> None:
    secrets, parsed = token_secrets(SEED, key, 0), parse_token(token)
    for text in (repr(secrets), repr(parsed)):
        for value in (secrets.nonce, secrets.salt, secrets.blinding, parsed.authenticator):
            assert repr(value)[2:12] not in text
