"""Frames of a stream (docs/protocol/04-sessions.md, section 7): the codec, without any network.

frame = correlation number (4 bytes, little-endian) ‖ kind (1) ‖ body. A question's kind says what
its body is: what POST carries to a path, the path of a GET, or a merchant that dials. An answer
has its question's correlation number and says whether the body is the answer or a named error.
One frame is one binary WebSocket message.
"""

from enum import IntEnum
from typing import NamedTuple

from veilmart.errors import MalformedMessage, MessageTooLarge
from veilmart.limits import BODY_MAX_BYTES, HANDSHAKE_MAX_BYTES, REQUEST_MAX_BYTES

STREAM_PATH = "/v1/stream"
CORRELATION_BYTES = 4
CORRELATION_END = 1 << (8 * CORRELATION_BYTES)
HEADER_BYTES = CORRELATION_BYTES + 1
PATH_MAX_BYTES = 200
ERROR_MAX_BYTES = 4096


class Kind(IntEnum):
    """Kinds of frames. Below 0x80 are questions."""

    SESSION = 0x01
    REQUEST = 0x02
    LINK = 0x03
    LINK_REQUEST = 0x04
    GET = 0x05
    DIAL = 0x06
    ANSWER = 0x80
    ERROR = 0x81


PATHS = {
    Kind.SESSION: "/v1/session",
    Kind.REQUEST: "/v1/request",
    Kind.LINK: "/v1/link",
    Kind.LINK_REQUEST: "/v1/link/request",
}
"""Which path a question's body would be posted to."""
KINDS = {path: kind for kind, path in PATHS.items()}

_BODY_MAX_BYTES = {
    Kind.SESSION: HANDSHAKE_MAX_BYTES,
    Kind.REQUEST: REQUEST_MAX_BYTES,
    Kind.LINK: 1 + 32 + HANDSHAKE_MAX_BYTES,
    Kind.LINK_REQUEST: 2 * REQUEST_MAX_BYTES,
    Kind.GET: PATH_MAX_BYTES,
    Kind.DIAL: REQUEST_MAX_BYTES,
    Kind.ANSWER: BODY_MAX_BYTES,
    Kind.ERROR: ERROR_MAX_BYTES,
}
QUESTION_MAX_BYTES = HEADER_BYTES + 2 * REQUEST_MAX_BYTES
"""The longest frame that asks something."""
FRAME_MAX_BYTES = HEADER_BYTES + BODY_MAX_BYTES
"""The longest frame of all."""


class Frame(NamedTuple):
    """body: a view of the message that came."""

    correlation: int
    kind: Kind
    body: memoryview

    @property
    def asks(self) -> bool:
        return self.kind < Kind.ANSWER


def encode_frame(
    correlation: int, kind: Kind, body: bytes, attachment: bytes | memoryview = b""
) -> bytes:
    """One frame. correlation: below CORRELATION_END. Raises MessageTooLarge."""
    length = len(body) + len(attachment)
    if length > _BODY_MAX_BYTES[kind]:
        raise MessageTooLarge(f"A frame's body would have {length} bytes.")
    header = correlation.to_bytes(CORRELATION_BYTES, "little") + bytes([kind])
    return b"".join((header, body, attachment))


def decode_frame(message: bytes | bytearray) -> Frame:
    """Raises MalformedMessage for a cut frame or an unknown kind, MessageTooLarge."""
    if len(message) < HEADER_BYTES:
        raise MalformedMessage("A frame is cut short.")
    try:
        kind = Kind(message[CORRELATION_BYTES])
    except ValueError:
        raise MalformedMessage("A frame's kind is unknown.") from None
    length = len(message) - HEADER_BYTES
    if length > _BODY_MAX_BYTES[kind]:
        raise MessageTooLarge(f"A frame's body has {length} bytes.")
    view = memoryview(message)
    return Frame(int.from_bytes(view[:CORRELATION_BYTES], "little"), kind, view[HEADER_BYTES:])
