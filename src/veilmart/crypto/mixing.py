"""MIX-SHA256: the origin's cipher and tag, under keys used once (protocol 2.3).

    b_1 = SHA-256(K ‖ IV), IV 32 zero bytes      c_i = p_i XOR b_i      b_(i+1) = SHA-256(K ‖ c_i)
    T   = SHA-256(content ‖ K_int)               K_int = K + 1 mod 2^256, big-endian
    content = header ‖ LE64|AD| ‖ AD ‖ LE64|C| ‖ C     (short form: no header)
    K   = HMAC-SHA256(key, "veilmart 2026 MIX <use>" NUL ‖ N ‖ LE64 i ‖ final ‖ LE64|AD| ‖ LE64|P|)
    com = HMAC-SHA256(key, "veilmart 2026 MIX commitment <use>" NUL ‖ header ‖ N ‖ LE64|AD| ‖ AD)

The fixed IV and the key-suffix tag are sound only because K is fresh for every message and chunk
and because the tag is checked before anything is decrypted. Unlike KHAE, a repeated
(key, use, nonce) shows the XOR of the first blocks: nonces must not repeat.
"""

import hmac
from functools import lru_cache
from hashlib import sha256
from struct import Struct, unpack

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

SUITE_ID = 2
HEADER = b"MIXS" + bytes((FORMAT_VERSION, SUITE_ID, CHUNK_LOG2))

_BLOCK_BYTES = 32
_IV = bytes(_BLOCK_BYTES)
_KEY_MODULUS = 2**256
_position = Struct("<QBQQ").pack


@lru_cache(maxsize=256)
def _key_label(use: str) -> bytes:
    return b"veilmart 2026 MIX " + checked_use(use).encode() + b"\0"


@lru_cache(maxsize=256)
def _commitment_label(use: str) -> bytes:
    return b"veilmart 2026 MIX commitment " + checked_use(use).encode() + b"\0"


def _tag(key: bytes, before: bytes, ciphertext: bytes | memoryview) -> bytes:
    """`before` is header ‖ LE64|AD| ‖ AD."""
    integrity_key = (int.from_bytes(key, "big") + 1) % _KEY_MODULUS
    content = sha256(before + le64(len(ciphertext)))
    content.update(ciphertext)
    content.update(integrity_key.to_bytes(KEY_BYTES, "big"))
    return content.digest()


def _encrypt(key: bytes, plaintext: bytes | memoryview) -> bytes:
    """One chain. Each block needs the hash of the one before, so this stays a loop."""
    hash_, from_bytes = sha256, int.from_bytes
    size = len(plaintext)
    blocks, rest = divmod(size, _BLOCK_BYTES)
    whole = size - rest
    pad = hash_(key + _IV).digest()
    parts: list[bytes] = []
    append = parts.append
    for block in unpack("32s" * blocks, plaintext[:whole]):
        mixed = (from_bytes(block) ^ from_bytes(pad)).to_bytes(32)
        append(mixed)
        pad = hash_(key + mixed).digest()
    if rest:
        last = from_bytes(plaintext[whole:]) ^ from_bytes(pad[:rest])
        append(last.to_bytes(rest))
    return b"".join(parts)


def _decrypt(key: bytes, ciphertext: bytes | memoryview) -> bytes:
    """All pads depend on the ciphertext alone: hash them in one go and XOR once."""
    size = len(ciphertext)
    if not size:
        return b""
    hash_ = sha256
    inputs = (size - 1) // _BLOCK_BYTES
    pads = [hash_(key + _IV).digest()]
    blocks = unpack("32s" * inputs, ciphertext[: inputs * _BLOCK_BYTES])
    pads += [hash_(key + block).digest() for block in blocks]
    import numpy as np  # as in keyed_hash.py

    stream = np.frombuffer(b"".join(pads), np.uint8)[:size]
    return np.bitwise_xor(np.frombuffer(ciphertext, np.uint8), stream).tobytes()


def _encrypt_lanes(keys: list[bytes], plaintext: memoryview) -> list[bytes]:
    """Full chunks, one chain each, in step: the XOR of a step is one NumPy call for all lanes."""
    lanes, steps = len(keys), CHUNK_BYTES // _BLOCK_BYTES
    import numpy as np

    grid = np.empty((steps, lanes, 64), np.uint8)
    grid[:, :, :32] = np.frombuffer(b"".join(keys), np.uint8).reshape(lanes, 32)
    grid[:, :, 32:] = (
        np.frombuffer(plaintext, np.uint8).reshape(lanes, steps, 32).transpose(1, 0, 2)
    )
    hash_, xor, view = sha256, np.bitwise_xor, np.frombuffer
    word = np.uint64
    split = Struct("64s" * lanes).unpack
    # The pads of a step are joined with 32 zero bytes before each: K stays, p becomes c.
    pads = [b"", *(hash_(key + _IV).digest() for key in keys)]
    for row in grid.reshape(steps, lanes * 64).view(word):
        xor(row, view(_IV.join(pads), word), out=row)
        pads = [b"", *[hash_(block).digest() for block in split(row.data)]]
    return [grid[:, lane, 32:].tobytes() for lane in range(lanes)]


class _Chunks:
    """What sealer and opener of one message or object share: K, and the content before C."""

    def __init__(self, key: bytes, use: str, nonce: bytes, header: bytes, ad: bytes) -> None:
        check_key_and_nonce(key, nonce)
        self._key = key
        self._seed = _key_label(use) + nonce
        self._ad_bytes = len(ad)
        self._before = header + le64(len(ad)) + ad

    def _fresh_key(self, index: int, final: bool, plaintext_bytes: int) -> bytes:
        position = _position(index, final, self._ad_bytes, plaintext_bytes)
        return hmac.digest(self._key, self._seed + position, "sha256")

    def seal_one(self, index: int, final: bool, plaintext: bytes | memoryview) -> bytes:
        key = self._fresh_key(index, final, len(plaintext))
        ciphertext = _encrypt(key, plaintext)
        return ciphertext + _tag(key, self._before, ciphertext)

    def open_one(self, index: int, final: bool, sealed: bytes | memoryview) -> bytes:
        size = len(sealed) - TAG_BYTES
        if size < 0:
            raise OpenFailed("It is shorter than a tag.")
        key = self._fresh_key(index, final, size)
        ciphertext = sealed[:size]
        if not hmac.compare_digest(_tag(key, self._before, ciphertext), sealed[size:]):
            raise OpenFailed("Its tag does not verify.")
        return _decrypt(key, ciphertext)


class _Sealer(_Chunks):
    """ChunkSealer of MIX-SHA256."""

    def __init__(self, key: bytes, use: str, nonce: bytes, ad: bytes) -> None:
        super().__init__(key, use, nonce, HEADER, ad)
        self.prefix = HEADER + nonce + _commitment(key, use, nonce, ad)

    def seal(self, index: int, final: bool, plaintext: bytes | memoryview) -> bytes:
        object_framing.check_chunk(index, final, len(plaintext))
        return self.seal_one(index, final, plaintext)

    def seal_run(self, first_index: int, plaintext: memoryview) -> list[bytes | memoryview]:
        lanes, odd = divmod(len(plaintext), CHUNK_BYTES)
        if odd or not lanes:
            raise Misuse("A run is a whole number of full chunks.")
        keys = [self._fresh_key(first_index + lane, False, CHUNK_BYTES) for lane in range(lanes)]
        parts: list[bytes | memoryview] = []
        for key, ciphertext in zip(keys, _encrypt_lanes(keys, plaintext), strict=True):
            parts += [ciphertext, _tag(key, self._before, ciphertext)]
        return parts


class _Opener(_Chunks):
    """ChunkOpener of MIX-SHA256."""

    def open(self, index: int, final: bool, sealed: bytes | memoryview) -> bytes:
        object_framing.check_sealed_chunk(index, final, len(sealed))
        return self.open_one(index, final, sealed)

    def open_run(self, first_index: int, sealed: memoryview) -> list[bytes | memoryview]:
        chunks = object_framing.full_chunks(sealed, SEALED_CHUNK_BYTES)
        return [
            self.open_one(index, False, chunk) for index, chunk in enumerate(chunks, first_index)
        ]


def _commitment(key: bytes, use: str, nonce: bytes, ad: bytes) -> bytes:
    message = _commitment_label(use) + HEADER + nonce + le64(len(ad)) + ad
    return hmac.digest(key, message, "sha256")


class MixingCipher:
    """The second suite's cipher; holds no state. Docstrings of the methods: `Cipher`."""

    name = "MIX-SHA256"

    def seal(self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
        return _Chunks(key, use, nonce, b"", ad).seal_one(0, True, plaintext)

    def open(self, key: bytes, use: str, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        return _Chunks(key, use, nonce, b"", ad).open_one(0, True, sealed)

    def sealer(self, key: bytes, use: str, nonce: bytes, ad: bytes) -> _Sealer:
        return _Sealer(key, use, nonce, ad)

    def opener(self, key: bytes, use: str, ad: bytes, prefix: bytes | memoryview) -> _Opener:
        if len(key) != KEY_BYTES:
            raise Misuse("A cipher key has 32 bytes.")
        nonce, claimed = object_framing.split_prefix(prefix, HEADER)
        if not hmac.compare_digest(_commitment(key, use, nonce, ad), claimed):
            raise OpenFailed("It was sealed under another key, or its prefix was changed.")
        return _Opener(key, use, nonce, HEADER, ad)

    def seal_object(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes | memoryview
    ) -> bytes:
        return object_framing.seal_whole(self.sealer(key, use, nonce, ad), plaintext)

    def open_object(self, key: bytes, use: str, ad: bytes, sealed: bytes | memoryview) -> bytes:
        return object_framing.open_whole(self, key, use, ad, sealed)
