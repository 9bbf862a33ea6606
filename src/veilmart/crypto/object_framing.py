"""Long form of a sealed object: the framing that both ciphers share (protocol 2.1).

A chunk is final if and only if it is shorter than a full one, so neither side looks ahead.
"""

from collections.abc import Iterator
from typing import Protocol

from veilmart.crypto.cipher import (
    HEADER_BYTES,
    NONCE_BYTES,
    PREFIX_BYTES,
    SEALED_CHUNK_BYTES,
    TAG_BYTES,
    ChunkOpener,
    ChunkSealer,
)
from veilmart.errors import Misuse, OpenFailed
from veilmart.limits import CHUNK_BYTES

RUN_CHUNKS = 16
"""Full chunks handed to a cipher at once: one 1 MiB piece."""
_RUN_BYTES = RUN_CHUNKS * CHUNK_BYTES


class _Opens(Protocol):
    def opener(self, key: bytes, use: str, ad: bytes, prefix: bytes | memoryview) -> ChunkOpener:
        """See Cipher."""
        ...


def split_prefix(prefix: bytes | memoryview, header: bytes) -> tuple[bytes, bytes]:
    """(N, com) of a 63-byte prefix; raises OpenFailed if length or header differ."""
    if len(prefix) != PREFIX_BYTES or prefix[:HEADER_BYTES] != header:
        raise OpenFailed("The header is not that of a sealed object of this suite.")
    nonce_end = HEADER_BYTES + NONCE_BYTES
    return bytes(prefix[HEADER_BYTES:nonce_end]), bytes(prefix[nonce_end:])


def check_chunk(index: int, final: bool, plaintext_bytes: int) -> None:
    """Raises Misuse unless the chunk is full, or shorter and final."""
    if index < 0 or plaintext_bytes > CHUNK_BYTES or final != (plaintext_bytes < CHUNK_BYTES):
        raise Misuse("A chunk is full, or it is the final one and shorter.")


def check_sealed_chunk(index: int, final: bool, sealed_bytes: int) -> None:
    """Raises OpenFailed unless C ‖ T is as long as the one legal chunking says."""
    if index < 0:
        raise Misuse("A chunk's index is not negative.")
    full = sealed_bytes == SEALED_CHUNK_BYTES
    if not TAG_BYTES <= sealed_bytes <= SEALED_CHUNK_BYTES or final == full:
        raise OpenFailed("A chunk is cut in another way than the format allows.")


def full_chunks(view: memoryview, chunk_bytes: int) -> Iterator[memoryview]:
    """The chunks of a run; raises Misuse unless it is a whole number of them."""
    if len(view) % chunk_bytes:
        raise Misuse("A run is a whole number of full chunks.")
    for start in range(0, len(view), chunk_bytes):
        yield view[start : start + chunk_bytes]


def seal_whole(sealer: ChunkSealer, plaintext: bytes | memoryview) -> bytes:
    """The object, `object_bytes(len(plaintext))` bytes."""
    view = memoryview(plaintext).cast("B")
    full_bytes = len(view) - len(view) % CHUNK_BYTES
    parts: list[bytes | memoryview] = [sealer.prefix]
    for start in range(0, full_bytes, _RUN_BYTES):
        run = view[start : min(start + _RUN_BYTES, full_bytes)]
        parts += sealer.seal_run(start // CHUNK_BYTES, run)
    parts.append(sealer.seal(full_bytes // CHUNK_BYTES, True, view[full_bytes:]))
    return b"".join(parts)


def open_whole(
    cipher: _Opens, key: bytes, use: str, ad: bytes, sealed: bytes | memoryview
) -> bytes:
    """The plaintext; raises OpenFailed if anything at all is wrong."""
    view = memoryview(sealed).cast("B")
    opener = cipher.opener(key, use, ad, view[:PREFIX_BYTES])
    body = view[PREFIX_BYTES:]
    full = len(body) // SEALED_CHUNK_BYTES
    end = full * SEALED_CHUNK_BYTES
    # A cut or extended object fails at its last chunk, before the long work is done.
    last = opener.open(full, True, body[end:])
    return b"".join([*opener.open_run(0, body[:end]), last])
