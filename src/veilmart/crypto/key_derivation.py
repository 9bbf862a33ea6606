"""Keys from keys, with a label for each purpose and parts that cannot run into each other."""

import hmac
from struct import Struct

from veilmart.errors import Misuse

_le64 = Struct("<Q").pack
_OUTPUT_MAX_BYTES = 255 * 32


def derive(key: bytes, label: str, *parts: bytes, length: int = 32) -> bytes:
    """`length` bytes for one purpose: HKDF-Expand of RFC 5869 section 2.3 with HMAC-SHA256.

    info = LE64|label| ‖ label ‖ for each part: LE64|part| ‖ part ‖ LE64 length. Each input is
    preceded by its length, so no two lists of inputs give one info; the wanted length is part of
    it, so a short output is not the beginning of a long one. `key` has at least 16 unguessable
    bytes. Raises Misuse for an empty label or a length outside 1..8160.
    """
    if not label or not 1 <= length <= _OUTPUT_MAX_BYTES or len(key) < 16:
        raise Misuse("A derived key needs a key, a label and a sensible length.")
    name = label.encode()
    info = b"".join((_le64(len(name)), name, *(_le64(len(part)) + part for part in parts)))
    info += _le64(length)
    output = block = b""
    for counter in range(1, (length + 31) // 32 + 1):
        block = hmac.digest(key, block + info + bytes((counter,)), "sha256")
        output += block
    return output[:length]
