"""Blind tokens: RFC 9578 type 0x0002 with one constant challenge (docs/protocol/11-tokens.md).

token input = type (2) ‖ nonce (32) ‖ SHA-256(challenge) (32) ‖ token key id (32), 98 bytes;
token = token input ‖ authenticator (256), 354 bytes. All tokens under one key look alike.
"""

from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256

from veilmart.crypto import blind_rsa
from veilmart.crypto.token_key import TokenPublicKey
from veilmart.errors import Misuse, SignatureInvalid, TokenInvalid

NONCE_BYTES = 32
INPUT_BYTES = 98
TOKEN_BYTES = 354
_TYPE = b"\x00\x02"
_ISSUER_NAME = b"veilmart"


@dataclass(frozen=True, slots=True)
class TokenSecrets:
    """What one token is made from: nonce (32), salt (48), blinding factor (256).

    Who sees the blinding factor can tell which withdrawal the token came from.
    """

    nonce: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    blinding: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """nonce: 32 bytes; key_id: 32 bytes; authenticator: 256 bytes.

    nonce and authenticator are worth money until they are spent, and stay out of the repr.
    """

    nonce: bytes = field(repr=False)
    key_id: bytes
    authenticator: bytes = field(repr=False)


@cache
def challenge() -> bytes:
    """The TokenChallenge of RFC 9577 section 2.1.1: issuer "veilmart", no context, no origin."""
    issuer = len(_ISSUER_NAME).to_bytes(2, "big") + _ISSUER_NAME
    empty_context, empty_origin = b"\x00", b"\x00\x00"
    return _TYPE + issuer + empty_context + empty_origin


def token_input(nonce: bytes, key_id: bytes) -> bytes:
    """98 bytes: what is blinded and signed (RFC 9578 section 6.1)."""
    if (len(nonce), len(key_id)) != (NONCE_BYTES, NONCE_BYTES):
        raise Misuse("A token's nonce and key id have 32 bytes each.")
    return _TYPE + nonce + sha256(challenge()).digest() + key_id


def blind_token(key: TokenPublicKey, secrets: TokenSecrets) -> bytes:
    """The blinded message to be signed, 256 bytes. Raises TokenKeyInvalid."""
    message = token_input(secrets.nonce, key.key_id)
    return blind_rsa.blind(key.numbers, message, secrets.salt, secrets.blinding)


def finish_token(key: TokenPublicKey, secrets: TokenSecrets, blind_signature: bytes) -> bytes:
    """The token, 354 bytes. Raises TokenInvalid for a blind signature of anything else."""
    message = token_input(secrets.nonce, key.key_id)
    try:
        authenticator = blind_rsa.finalize(key.numbers, message, blind_signature, secrets.blinding)
    except SignatureInvalid as fault:
        raise TokenInvalid(
            "The broker signed something else than was asked.",
            money="The balance was debited; the wallet keeps request and answer as a proof.",
        ) from fault
    return message + authenticator


def parse_token(data: bytes) -> Token:
    """Raises TokenInvalid for another length, type or challenge; checks no signature."""
    if len(data) != TOKEN_BYTES:
        raise TokenInvalid(f"A token has {TOKEN_BYTES} bytes.")
    token = Token(nonce=data[2:34], key_id=data[66:INPUT_BYTES], authenticator=data[INPUT_BYTES:])
    if data[:INPUT_BYTES] != token_input(token.nonce, token.key_id):
        raise TokenInvalid("It has another type or challenge.")
    return token


def check_token(key: TokenPublicKey, token: Token) -> None:
    """Raises TokenInvalid unless the key, found by the token's key id, signed it."""
    if token.key_id != key.key_id:
        raise TokenInvalid("It names another key.")
    try:
        message = token_input(token.nonce, key.key_id)
        blind_rsa.verify(key.numbers, message, token.authenticator)
    except SignatureInvalid as fault:
        raise TokenInvalid("Its signature does not verify.") from fault
