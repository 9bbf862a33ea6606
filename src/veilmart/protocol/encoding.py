"""MessagePack structs, strict and bounded (docs/protocol/01-notation.md).

Messages are maps with the field names below as keys; unknown fields, missing fields, wrong types,
wrong lengths, duplicate keys and trailing bytes are `MalformedMessage`. What is signed or hashed is
always the bytes as sent, never a re-encoding.
"""

import hashlib
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from veilmart.errors import MalformedMessage, MessageTooLarge
from veilmart.limits import INTEGER_MAX
from veilmart.protocol.unique_keys import check_unique_keys

T = TypeVar("T")

Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[bytes, Meta(min_length=64, max_length=64)]
Natural = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A MessagePack map with exactly the declared fields."""


# Any: msgspec's decoder takes and returns whatever type it is made for.
@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def encode(message: object) -> bytes:
    """The bytes of a message; encode once, then sign, hash and send those bytes."""
    return msgspec.msgpack.encode(message)


def decode(kind: type[T], data: bytes | memoryview, max_bytes: int) -> T:
    """Parse `data` as `kind`. Raises MessageTooLarge above `max_bytes`, else MalformedMessage."""
    if len(data) > max_bytes:
        raise MessageTooLarge(f"{len(data)} bytes, {max_bytes} at most.")
    try:
        message: T = _decoder(kind).decode(data)  # type: ignore[arg-type]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise MalformedMessage from fault
    # Our own encoding is the shortest, so bytes of its length hold no key twice; only others are
    # looked through.
    if len(encode(message)) != len(data):
        check_unique_keys(data)
    return message


def labelled_hash(label: str, *parts: bytes) -> bytes:
    """SHA-256(label ‖ 0x00 ‖ parts...), 32 bytes. All parts but the last have fixed lengths."""
    state = hashlib.sha256(label.encode() + b"\0")
    for part in parts:
        state.update(part)
    return state.digest()


def le64(number: int) -> bytes:
    """8 bytes, little-endian."""
    return number.to_bytes(8, "little")
