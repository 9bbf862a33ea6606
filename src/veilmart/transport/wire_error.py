"""How an error is encoded outside a session: in an HTTP answer other than 200, or in a frame.

Both ends of HTTP and of streams decode it here.
"""

import msgspec

from veilmart.errors import (
    DETAIL_MAX_CHARACTERS,
    UnsignedAnswer,
    VeilmartError,
    from_unsigned,
)

OCTETS = "application/octet-stream"


class WireError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """MessagePack {"code": int, "detail": str}."""

    code: int
    detail: str


def encode_error(error: VeilmartError) -> bytes:
    """Its code and detail as MessagePack."""
    return msgspec.msgpack.encode(WireError(error.code, error.detail[:DETAIL_MAX_CHARACTERS]))


def read_error(content: bytes | memoryview, unnamed: VeilmartError | None = None) -> VeilmartError:
    """What a named error means to the one who asked; `unnamed` for what names none."""
    try:
        named = msgspec.msgpack.decode(content, type=WireError)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return unnamed or UnsignedAnswer("A frame names no error.")
    return from_unsigned(named.code)
