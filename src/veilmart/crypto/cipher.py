"""What a suite's cipher can do, and the sizes both ciphers share.

The short form seals one message (handshake, request, answer): `C ‖ T`, nonce known to both sides.
The long form seals an object of any length, 64 KiB at a time (protocol 2.1):
`header ‖ N ‖ com ‖ (C_0‖T_0) ‖ (C_1‖T_1) ...`. Every chunk but the last is full and the last is
shorter than a full one, possibly empty, so that a plaintext has exactly one legal chunking.
"""

from functools import lru_cache
from struct import Struct
from typing import Protocol

from veilmart.errors import Misuse
from veilmart.limits import CHUNK_BYTES

KEY_BYTES = 32
NONCE_BYTES = 24
TAG_BYTES = 32
HEADER_BYTES = 7
COMMITMENT_BYTES = 32
PREFIX_BYTES = HEADER_BYTES + NONCE_BYTES + COMMITMENT_BYTES
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
CHUNK_LOG2 = CHUNK_BYTES.bit_length() - 1
FORMAT_VERSION = 1

le64 = Struct("<Q").pack

_RESERVED_USES = ("short", "commitment")


class ChunkSealer(Protocol):
    """Seals the chunks of one object, in any order; safe to share between threads."""

    @property
    def prefix(self) -> bytes:
        """header ‖ N ‖ com, 63 bytes: what stands before the first chunk."""
        ...

    def seal(self, index: int, final: bool, plaintext: bytes | memoryview) -> bytes:
        """C ‖ T of chunk `index`: 65536 bytes of plaintext, or fewer if and only if `final`."""
        ...

    def seal_run(self, first_index: int, plaintext: memoryview) -> list[bytes | memoryview]:
        """Parts that join to C ‖ T, C ‖ T ... of a whole number of full chunks."""
        ...


class ChunkOpener(Protocol):
    """Opens the chunks of one object, in any order; the commitment has been checked."""

    def open(self, index: int, final: bool, sealed: bytes | memoryview) -> bytes:
        """The plaintext of chunk `index` (at most 65536 bytes). Raises OpenFailed."""
        ...

    def open_run(self, first_index: int, sealed: memoryview) -> list[bytes | memoryview]:
        """Parts that join to the plaintext of a whole number of full chunks, all verified."""
        ...


class Cipher(Protocol):
    """Keyed-hash authenticated encryption. Keys have 32 bytes, nonces 24, tags 32.

    `use` names what a key is used for and goes into the key derivation; `ad` is authenticated
    and not sent. Wrong lengths of ours raise Misuse; whatever a peer sent raises OpenFailed.
    One (key, use, nonce) seals one message, in one of the two forms.
    """

    @property
    def name(self) -> str:
        """ "KHAE-BLAKE3" or "MIX-SHA256"."""
        ...

    def seal(self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
        """Short form: C ‖ T, 32 bytes longer than the plaintext."""
        ...

    def open(self, key: bytes, use: str, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        """Plaintext of a short form. Raises OpenFailed."""
        ...

    def sealer(self, key: bytes, use: str, nonce: bytes, ad: bytes) -> ChunkSealer:
        """Random access: the sealer of one object's chunks."""
        ...

    def opener(self, key: bytes, use: str, ad: bytes, prefix: bytes | memoryview) -> ChunkOpener:
        """Random access: checks header and `com` of the 63-byte prefix, or raises OpenFailed."""
        ...

    def seal_object(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes | memoryview
    ) -> bytes:
        """Long form, `object_bytes(len(plaintext))` bytes."""
        ...

    def open_object(self, key: bytes, use: str, ad: bytes, sealed: bytes | memoryview) -> bytes:
        """Plaintext of a long form. Raises OpenFailed; nothing is returned unless all verified."""
        ...


def object_bytes(plaintext_bytes: int) -> int:
    """Exact length of the long form of `plaintext_bytes` bytes; the same for both ciphers."""
    if plaintext_bytes < 0:
        raise Misuse("A length cannot be negative.")
    return PREFIX_BYTES + plaintext_bytes + TAG_BYTES * (plaintext_bytes // CHUNK_BYTES + 1)


def check_key_and_nonce(key: bytes, nonce: bytes) -> None:
    """Raises Misuse unless the key has 32 bytes and the nonce 24."""
    if len(key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise Misuse("A cipher key has 32 bytes and a nonce 24.")


@lru_cache(maxsize=256)
def checked_use(use: str) -> str:
    """`use`, or Misuse where its label could be read as another one (NUL, reserved first word)."""
    first_word = use.partition(" ")[0]
    if not use or not use.isascii() or "\0" in use or first_word in _RESERVED_USES:
        raise Misuse("That name of a key's use is not allowed.")
    return use
