"""KHAE: authenticated encryption from the keyed hash BLAKE3 alone (protocol 2.2).

    mk       = BLAKE3.derive_key("veilmart 2026 KHAE <use>", K)
    ck ‖ com = BLAKE3(mk; header ‖ N ‖ LE64|AD| ‖ AD)[64]
    chunk i: ak ‖ sk = BLAKE3(ck; LE64 i ‖ final)[64]
             T = BLAKE3(ak; P)[32]      C = P XOR BLAKE3(sk; T)[|P|]

The tag is a synthetic nonce: it depends on the whole plaintext, so a repeated N costs only the
knowledge that two chunks are equal. Short form: one final chunk under
ck = BLAKE3(derive_key("veilmart 2026 KHAE short <use>", K); N ‖ LE64|AD| ‖ AD)[32].
"""

from hmac import compare_digest

from blake3 import blake3

from veilmart.crypto import object_framing
from veilmart.crypto.cipher import (
    CHUNK_LOG2,
    FORMAT_VERSION,
    KEY_BYTES,
    SEALED_CHUNK_BYTES,
    TAG_BYTES,
    check_key_and_nonce,
    checked_use,
    le64,
)
from veilmart.errors import Misuse, OpenFailed
from veilmart.limits import CHUNK_BYTES

SUITE_ID = 1
HEADER = b"KHAE" + bytes((FORMAT_VERSION, SUITE_ID, CHUNK_LOG2))

# Below this many bytes one big-integer XOR is quicker than three NumPy calls (measured).
_INTEGER_XOR_MAX_BYTES = 320
_ONLY_CHUNK = le64(0) + b"\x01"


def _xor(left: bytes | memoryview, right: bytes) -> bytes | memoryview:
    """left XOR right, both of one length."""
    size = len(left)
    if size <= _INTEGER_XOR_MAX_BYTES:
        mixed = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
        return mixed.to_bytes(size, "little")
    import numpy as np  # a twentieth of a second, which commands that seal nothing do not spend

    return np.bitwise_xor(np.frombuffer(left, np.uint8), np.frombuffer(right, np.uint8)).data


def _short_chunk_key(key: bytes, use: str, nonce: bytes, ad: bytes) -> bytes:
    check_key_and_nonce(key, nonce)
    context = "veilmart 2026 KHAE short " + checked_use(use)
    message_key = blake3(key, derive_key_context=context).digest()
    return blake3(nonce + le64(len(ad)) + ad, key=message_key).digest()


def _seal_parts(
    chunk_key: bytes, position: bytes, plaintext: bytes | memoryview
) -> tuple[bytes | memoryview, bytes]:
    """(C, T), not joined yet: the caller joins once, whether one chunk or many."""
    keys = blake3(position, key=chunk_key).digest(64)
    tag = blake3(plaintext, key=keys[:32]).digest()
    return _xor(plaintext, blake3(tag, key=keys[32:]).digest(len(plaintext))), tag


def _open_part(chunk_key: bytes, position: bytes, sealed: bytes | memoryview) -> bytes | memoryview:
    """P, after its tag; raises OpenFailed."""
    size = len(sealed) - TAG_BYTES
    if size < 0:
        raise OpenFailed("It is shorter than a tag.")
    keys = blake3(position, key=chunk_key).digest(64)
    tag = bytes(sealed[size:])
    plaintext = _xor(sealed[:size], blake3(tag, key=keys[32:]).digest(size))
    if not compare_digest(blake3(plaintext, key=keys[:32]).digest(), tag):
        raise OpenFailed("Its tag does not verify.")
    return plaintext


def _commit(key: bytes, use: str, nonce: bytes, ad: bytes) -> tuple[bytes, bytes]:
    """(ck, com), 32 bytes each, of one object."""
    check_key_and_nonce(key, nonce)
    context = "veilmart 2026 KHAE " + checked_use(use)
    object_key = blake3(key, derive_key_context=context).digest()
    both = blake3(HEADER + nonce + le64(len(ad)) + ad, key=object_key).digest(64)
    return both[:32], both[32:]


class _Sealer:
    """ChunkSealer of KHAE."""

    def __init__(self, chunk_key: bytes, prefix: bytes) -> None:
        self._chunk_key = chunk_key
        self.prefix = prefix

    def seal(self, index: int, final: bool, plaintext: bytes | memoryview) -> bytes:
        object_framing.check_chunk(index, final, len(plaintext))
        return b"".join(_seal_parts(self._chunk_key, le64(index) + bytes((final,)), plaintext))

    def seal_run(self, first_index: int, plaintext: memoryview) -> list[bytes | memoryview]:
        parts: list[bytes | memoryview] = []
        chunks = object_framing.full_chunks(plaintext, CHUNK_BYTES)
        for index, chunk in enumerate(chunks, first_index):
            parts += _seal_parts(self._chunk_key, le64(index) + b"\0", chunk)
        return parts


class _Opener:
    """ChunkOpener of KHAE."""

    def __init__(self, chunk_key: bytes) -> None:
        self._chunk_key = chunk_key

    def open(self, index: int, final: bool, sealed: bytes | memoryview) -> bytes:
        object_framing.check_sealed_chunk(index, final, len(sealed))
        return bytes(_open_part(self._chunk_key, le64(index) + bytes((final,)), sealed))

    def open_run(self, first_index: int, sealed: memoryview) -> list[bytes | memoryview]:
        chunks = object_framing.full_chunks(sealed, SEALED_CHUNK_BYTES)
        return [
            _open_part(self._chunk_key, le64(index) + b"\0", chunk)
            for index, chunk in enumerate(chunks, first_index)
        ]


class KeyedHashCipher:
    """The default suite's cipher; holds no state. Docstrings of the methods: `Cipher`."""

    name = "KHAE-BLAKE3"

    def seal(self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
        return b"".join(_seal_parts(_short_chunk_key(key, use, nonce, ad), _ONLY_CHUNK, plaintext))

    def open(self, key: bytes, use: str, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        return bytes(_open_part(_short_chunk_key(key, use, nonce, ad), _ONLY_CHUNK, sealed))

    def sealer(self, key: bytes, use: str, nonce: bytes, ad: bytes) -> _Sealer:
        chunk_key, commitment = _commit(key, use, nonce, ad)
        return _Sealer(chunk_key, HEADER + nonce + commitment)

    def opener(self, key: bytes, use: str, ad: bytes, prefix: bytes | memoryview) -> _Opener:
        if len(key) != KEY_BYTES:
            raise Misuse("A cipher key has 32 bytes.")
        nonce, claimed = object_framing.split_prefix(prefix, HEADER)
        chunk_key, commitment = _commit(key, use, nonce, ad)
        if not compare_digest(commitment, claimed):
            raise OpenFailed("It was sealed under another key, or its prefix was changed.")
        return _Opener(chunk_key)

    def seal_object(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes | memoryview
    ) -> bytes:
        return object_framing.seal_whole(self.sealer(key, use, nonce, ad), plaintext)

    def open_object(self, key: bytes, use: str, ad: bytes, sealed: bytes | memoryview) -> bytes:
        return object_framing.open_whole(self, key, use, ad, sealed)
