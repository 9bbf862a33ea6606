"""Noise's CipherState and SymmetricState (revision 34, sections 5.1 and 5.2)."""

from struct import Struct
from typing import Protocol

from veilmart.crypto.cipher import NONCE_BYTES, TAG_BYTES, Cipher
from veilmart.crypto.hash_functions import HashFunction, hkdf
from veilmart.errors import HandshakeFailed, OpenFailed

HANDSHAKE_USE = "handshake"
KEY_BYTES = 32
_le64 = Struct("<Q").pack
_NONCE_FILLER = bytes(NONCE_BYTES - 8)


class NoiseCipher(Protocol):
    """An AEAD as Noise section 4.2 wants it: 32-byte key, counter n as nonce."""

    @property
    def name(self) -> str:
        """As it stands in a Noise protocol name."""
        ...

    @property
    def tag_bytes(self) -> int:
        """By how much a ciphertext is longer."""
        ...

    def encrypt(self, key: bytes, n: int, ad: bytes, plaintext: bytes) -> bytes:
        """Ciphertext with tag."""
        ...

    def decrypt(self, key: bytes, n: int, ad: bytes, ciphertext: bytes) -> bytes:
        """Plaintext. Raises OpenFailed."""
        ...


class SuiteNoiseCipher:
    """A suite's cipher in its short form: use "handshake", N = LE64 n ‖ 16 zero bytes."""

    tag_bytes = TAG_BYTES

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self.name = cipher.name.partition("-")[0]

    def encrypt(self, key: bytes, n: int, ad: bytes, plaintext: bytes) -> bytes:
        """32 bytes longer than the plaintext."""
        return self._cipher.seal(key, HANDSHAKE_USE, _le64(n) + _NONCE_FILLER, ad, plaintext)

    def decrypt(self, key: bytes, n: int, ad: bytes, ciphertext: bytes) -> bytes:
        """Raises OpenFailed."""
        return self._cipher.open(key, HANDSHAKE_USE, _le64(n) + _NONCE_FILLER, ad, ciphertext)


class SymmetricState:
    """Chaining key, handshake hash, and the key of the moment with its counter.

    Chaining key and handshake hash are as long as the hash (HASHLEN), keys always 32 bytes.
    """

    def __init__(
        self, protocol_name: str, cipher: NoiseCipher, hash_function: HashFunction
    ) -> None:
        name = protocol_name.encode()
        self._cipher = cipher
        self._hash = hash_function
        hashed = hash_function.hash(name)
        short = len(name) <= len(hashed)
        self.handshake_hash = name.ljust(len(hashed), b"\0") if short else hashed
        self._chaining_key = self.handshake_hash
        self._key: bytes | None = None
        self._counter = 0

    @property
    def tag_bytes(self) -> int:
        """What encrypt_and_hash adds at this point: nothing before the first key."""
        return 0 if self._key is None else self._cipher.tag_bytes

    def mix_key(self, material: bytes) -> None:
        """A new chaining key and key from a DH or KEM secret; the counter starts again."""
        self._chaining_key, key = hkdf(self._hash, self._chaining_key, material, 2)
        self._key = key[:KEY_BYTES]
        self._counter = 0

    def mix_hash(self, data: bytes) -> None:
        """Everything sent or known goes into the handshake hash."""
        self.handshake_hash = self._hash.hash(self.handshake_hash + data)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Under the handshake hash as associated data; in the clear before the first key."""
        ciphertext = plaintext
        if self._key is not None:
            ciphertext = self._cipher.encrypt(
                self._key, self._counter, self.handshake_hash, plaintext
            )
            self._counter += 1
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Raises HandshakeFailed."""
        plaintext = ciphertext
        if self._key is not None:
            try:
                plaintext = self._cipher.decrypt(
                    self._key, self._counter, self.handshake_hash, ciphertext
                )
            except OpenFailed:
                raise HandshakeFailed("A handshake message does not open.") from None
            self._counter += 1
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> list[bytes]:
        """Three keys of 32 bytes: initiator's, responder's, exporter.

        Noise splits into two, cut to 32 bytes (section 5.2); HKDF's third output leaves those two
        as they are (section 4.3).
        """
        return [key[:KEY_BYTES] for key in hkdf(self._hash, self._chaining_key, b"", 3)]

    def erase(self) -> None:
        """Forget the keys; the handshake hash stays."""
        self._chaining_key = b""
        self._key = None
