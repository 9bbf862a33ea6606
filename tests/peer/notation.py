"""Page 1: numbers, hashes, signatures, key derivation, messages; page 4.4: padding."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CELL = 1024
ED25519_LENGTH = 64

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Bytes16 = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Message = TypeVar("Message")


class PeerError(Exception):
    """Something the other side sent is not what the text promises."""


class Refused(PeerError):
    """The other side refused; `code` is its number."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"refused with {code}: {detail}")
        self.code = code


def require(condition: bool, what: str) -> None:
    """Raise PeerError(what) unless the condition holds."""
    if not condition:
        raise PeerError(what)


def le(number: int, length: int = 8) -> bytes:
    """LE16, LE32, LE64: `number` in `length` bytes, least significant first."""
    return number.to_bytes(length, "little")


def named_hash(label: str, *parts: bytes) -> bytes:
    """H("veilmart 2026 " ‖ label; parts), 32 bytes (1.3)."""
    return hashlib.sha256(labelled(label, b"".join(parts))).digest()


def labelled(label: str, data: bytes) -> bytes:
    """Label ‖ 0x00 ‖ data: what is hashed and signed."""
    return b"veilmart 2026 " + label.encode() + b"\x00" + data


def derive(key: bytes, label: str, *parts: bytes, length: int = 32) -> bytes:
    """HKDF-Expand with SHA-256 (1.5)."""
    fields = [b"veilmart 2026 " + label.encode(), *parts]
    info = b"".join(le(len(field)) + field for field in fields) + le(length)
    output = block = b""
    while len(output) < length:
        number = bytes([len(output) // 32 + 1])
        block = hmac.digest(key, block + info + number, "sha256")
        output += block
    return output[:length]


def verify_ed25519(public: bytes, label: str, signature: bytes, data: bytes) -> None:
    """Check a signature (64 bytes) by `public` (32 bytes) under the label (1.4)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, labelled(label, data))
    except InvalidSignature as error:
        raise PeerError(f"signature of the {label}") from error


def verify_rsa(identity: bytes, label: str, signature: bytes, data: bytes) -> None:
    """Check RSASSA-PSS (384 bytes) by the SubjectPublicKeyInfo `identity` (1.4)."""
    key = serialization.load_der_public_key(identity)
    require(isinstance(key, rsa.RSAPublicKey), "identity is an RSA key")
    assert isinstance(key, rsa.RSAPublicKey)
    require(key.key_size == 3072 and key.public_numbers().e == 65537, "identity of 3072 bits")
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
    try:
        key.verify(signature, labelled(label, data), scheme, hashes.SHA256())
    except InvalidSignature as error:
        raise PeerError(f"signature of the {label}") from error


def encode(message: dict[str, Any]) -> bytes:
    """A message as one MessagePack map (1.2)."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, shape: type[Message]) -> Message:
    """Read a message; unknown and missing keys and bytes after it are refused."""
    try:
        return msgspec.msgpack.decode(data, type=shape)
    except msgspec.MsgspecError as error:
        raise PeerError(f"malformed message: {error}") from error


def open_signed(signed: bytes, public: bytes, label: str, shape: type[Message]) -> Message:
    """A signed object: Ed25519 signature ‖ body, at most 1024 bytes (9.1)."""
    require(len(signed) <= 1024, f"length of the signed {label}")
    body = signed[ED25519_LENGTH:]
    verify_ed25519(public, label, signed[:ED25519_LENGTH], body)
    return decode(body, shape)


def cells_for(length: int) -> int:
    """The natural number of cells of a message of `length` bytes (4.4)."""
    return -(-(4 + length) // CELL)


def pad(message: bytes, cells: int) -> bytes:
    """LE32(|m|) ‖ m ‖ zeros in `cells` cells, or more if the message needs them."""
    size = CELL * max(cells, cells_for(len(message)))
    return (le(len(message), 4) + message).ljust(size, b"\x00")


def unpad(padded: bytes, cells: int) -> bytes:
    """The message in `padded`, which must have `cells` cells, or more if it needs them."""
    length = int.from_bytes(padded[:4], "little")
    message, filler = padded[4 : 4 + length], padded[4 + length :]
    require(len(padded) == CELL * max(cells, cells_for(length)), "number of cells")
    require(not any(filler), "filler is zero")
    return message
