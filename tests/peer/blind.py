"""11.1 to 11.3: token keys, blinding, tokens; with plain integers from RFC 8017 and RFC 9474."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from .notation import derive, le, require

EXPONENT = 65537
BITS = 2048
LENGTH = BITS // 8
CHALLENGE = b"\x00\x02" + b"\x00\x08" + b"veilmart" + b"\x00" + b"\x00\x00"


def der(tag: int, *content: bytes) -> bytes:
    """One DER value."""
    body = b"".join(content)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    head = size if len(body) < 0x80 else bytes([0x80 | len(size)]) + size
    return bytes([tag]) + head + body


def oid(*arcs: int) -> bytes:
    """An OBJECT IDENTIFIER."""
    encoded = bytes([40 * arcs[0] + arcs[1]])
    for arc in arcs[2:]:
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        encoded += bytes(reversed(digits))
    return der(0x06, encoded)


def public_info(modulus: int) -> bytes:
    """The SubjectPublicKeyInfo of RFC 9578 section 6.5, composed as RFC 4055 section 3.1 says."""
    sha384 = der(0x30, oid(2, 16, 840, 1, 101, 3, 4, 2, 2))
    mgf1 = der(0x30, oid(1, 2, 840, 113549, 1, 1, 8), sha384)
    parameters = der(0x30, der(0xA0, sha384), der(0xA1, mgf1), der(0xA2, der(0x02, bytes([48]))))
    algorithm = der(0x30, oid(1, 2, 840, 113549, 1, 1, 10), parameters)
    number = der(0x02, b"\x00" + modulus.to_bytes(LENGTH, "big"))
    key = der(0x30, number, der(0x02, EXPONENT.to_bytes(3, "big")))
    return der(0x30, algorithm, der(0x03, b"\x00", key))


@dataclass(frozen=True)
class TokenKey:
    """A broker's token key."""

    id: bytes
    modulus: int


def read_key(info: bytes, key_id: bytes) -> TokenKey:
    """11.1."""
    require(hashlib.sha256(info).digest() == key_id, "token key has the listed id")
    modulus = int.from_bytes(info[-5 - LENGTH : -5], "big")
    require(modulus.bit_length() == BITS and modulus % 2 == 1, "token key of 2048 bits")
    require(public_info(modulus) == info, "form of the token key")
    return TokenKey(key_id, modulus)


@dataclass(frozen=True, repr=False)
class Secrets:
    """What a token is made of: nonce (32), salt (48), blinding factor."""

    nonce: bytes
    salt: bytes
    factor: int


def token_secrets(account_seed: bytes, key: TokenKey, counter: int) -> Secrets:
    """Token number `counter` of an account (11.3)."""
    return _secrets(account_seed, "token", key, le(counter))


def refund_secrets(seed: bytes, key: TokenKey, order_key: bytes) -> Secrets:
    """The refund of an order (11.3)."""
    return _secrets(seed, "refund", key, order_key)


def _secrets(seed: bytes, what: str, key: TokenKey, part: bytes) -> Secrets:
    attempt, factor = 0, 0
    while not (1 < factor < key.modulus and math.gcd(factor, key.modulus) == 1):
        parts = (key.id, part, le(attempt))
        drawn = derive(seed, f"{what} blinding", *parts, length=LENGTH)
        factor = int.from_bytes(drawn, "big")
        attempt += 1
    nonce = derive(seed, f"{what} nonce", key.id, part)
    return Secrets(nonce, derive(seed, f"{what} salt", key.id, part, length=48), factor)


def token_input(key: TokenKey, nonce: bytes) -> bytes:
    """98 bytes (11.2)."""
    return b"\x00\x02" + nonce + hashlib.sha256(CHALLENGE).digest() + key.id


def mask(seed: bytes, length: int) -> bytes:
    """MGF1 with SHA-384."""
    blocks = range(-(-length // 48))
    return b"".join(hashlib.sha384(seed + i.to_bytes(4, "big")).digest() for i in blocks)[:length]


def pss(message: bytes, salt: bytes) -> int:
    """EMSA-PSS-ENCODE to 2047 bits, as a number."""
    hashed = hashlib.sha384(bytes(8) + hashlib.sha384(message).digest() + salt).digest()
    block = (b"\x01" + salt).rjust(LENGTH - 48 - 1, b"\x00")
    masked = int.from_bytes(block, "big") ^ int.from_bytes(mask(hashed, len(block)), "big")
    masked %= 1 << (8 * len(block) - 1)
    return (masked << 48 * 8 | int.from_bytes(hashed, "big")) << 8 | 0xBC


def blind(key: TokenKey, secrets: Secrets) -> bytes:
    """The blinded message, 256 bytes."""
    encoded = pss(token_input(key, secrets.nonce), secrets.salt)
    number = encoded * pow(secrets.factor, EXPONENT, key.modulus) % key.modulus
    return number.to_bytes(LENGTH, "big")


def finish(key: TokenKey, secrets: Secrets, blind_signature: bytes) -> bytes:
    """The token, 354 bytes.

    PSS with a known salt is deterministic, so the power is compared with the encoding itself.
    """
    number = int.from_bytes(blind_signature, "big")
    require(len(blind_signature) == LENGTH and 0 < number < key.modulus, "blind signature")
    signature = number * pow(secrets.factor, -1, key.modulus) % key.modulus
    message = token_input(key, secrets.nonce)
    power = pow(signature, EXPONENT, key.modulus)
    require(power == pss(message, secrets.salt), "the broker signed what was asked")
    return message + signature.to_bytes(LENGTH, "big")
