"""Page 2: the two suites. Written to be read beside the text, not to be fast."""

from __future__ import annotations

import hashlib
import hmac
import os
from abc import ABC, abstractmethod
from collections.abc import Callable

import gmpy2
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from .notation import le, require

CHUNK = 65536
TAG = 32
LABEL = b"veilmart 2026 "


class Suite(ABC):
    """What the two suites have in common: 32-byte keys, hashes and tags, 24-byte nonces."""

    number: int
    name: str
    noise_name: str
    magic: bytes
    public_length: int
    kem: bool

    @property
    def header(self) -> bytes:
        """The first 7 bytes of an object in the long form."""
        return self.magic + bytes([1, self.number, 0x10])

    @abstractmethod
    def hash(self, data: bytes) -> bytes:
        """Noise's HASH."""

    @abstractmethod
    def new_private(self) -> bytes:
        """A fresh Diffie-Hellman private key."""

    @abstractmethod
    def public(self, private: bytes) -> bytes:
        """The public value of a private key."""

    @abstractmethod
    def exchange(self, private: bytes, public: bytes) -> bytes:
        """The Diffie-Hellman result."""

    @abstractmethod
    def seal(self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
        """Short form: C ‖ T."""

    @abstractmethod
    def open(self, key: bytes, use: str, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        """The plaintext of the short form."""

    @abstractmethod
    def commit(self, key: bytes, use: str, nonce: bytes, ad: bytes) -> tuple[bytes, bytes]:
        """(key of the chunks, com) of the long form."""

    @abstractmethod
    def seal_chunk(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, i: int, final: bool, chunk: bytes
    ) -> bytes:
        """One chunk of the long form: C_i ‖ T_i. `key` is what `commit` gave."""

    @abstractmethod
    def open_chunk(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, i: int, final: bool, chunk: bytes
    ) -> bytes:
        """The plaintext of one chunk."""

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """HMAC with the suite's hash."""
        return hmac_of(self.hash, key, data)

    def noise_encrypt(self, key: bytes, n: int, ad: bytes, plaintext: bytes) -> bytes:
        """Noise's ENCRYPT (2.4)."""
        return self.seal(key, "handshake", le(n) + bytes(16), ad, plaintext)

    def noise_decrypt(self, key: bytes, n: int, ad: bytes, sealed: bytes) -> bytes:
        """Noise's DECRYPT (2.4)."""
        return self.open(key, "handshake", le(n) + bytes(16), ad, sealed)

    def seal_object(self, key: bytes, use: str, nonce: bytes, ad: bytes, plain: bytes) -> bytes:
        """Long form of `plain`."""
        chunk_key, com = self.commit(key, use, nonce, ad)
        count = len(plain) // CHUNK + 1
        sealed = (
            self.seal_chunk(
                chunk_key, use, nonce, ad, i, i == count - 1, plain[i * CHUNK :][:CHUNK]
            )
            for i in range(count)
        )
        return self.header + nonce + com + b"".join(sealed)

    def open_object(self, key: bytes, use: str, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        """The plaintext of a long form whose nonce must be `nonce`."""
        require(len(sealed) >= 95, "length of the object")
        require(sealed[:31] == self.header + nonce, "header and nonce of the object")
        chunk_key, com = self.commit(key, use, nonce, ad)
        require(hmac.compare_digest(sealed[31:63], com), "commitment")
        chunks = [sealed[at : at + CHUNK + TAG] for at in range(63, len(sealed), CHUNK + TAG)]
        if len(chunks[-1]) == CHUNK + TAG:
            chunks.append(b"")  # a full chunk is never the last: the missing one has no tag
        return b"".join(
            self.open_chunk(chunk_key, use, nonce, ad, i, i == len(chunks) - 1, chunk)
            for i, chunk in enumerate(chunks)
        )


def hmac_of(hash_function: Callable[[bytes], bytes], key: bytes, data: bytes) -> bytes:
    """HMAC with a hash whose block has 64 bytes; keys here are never longer."""
    inner = bytes(byte ^ 0x36 for byte in key.ljust(64, b"\x00"))
    outer = bytes(byte ^ 0x5C for byte in key.ljust(64, b"\x00"))
    return hash_function(outer + hash_function(inner + data))


def object_length(n: int) -> int:
    """Length of the long form of n bytes (2.1)."""
    return 63 + n + TAG * (n // CHUNK + 1)


def xor(a: bytes, b: bytes) -> bytes:
    """The exclusive or of two strings of one length."""
    size = len(a)
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(size, "big")


def split_tag(sealed: bytes) -> tuple[bytes, bytes]:
    """C, T of C ‖ T."""
    require(len(sealed) >= TAG, "a tag")
    return sealed[:-TAG], sealed[-TAG:]


def keyed(key: bytes, data: bytes, length: int) -> bytes:
    """BLAKE3(key; data)[length]."""
    return blake3(data, key=key).digest(length=length)


def derived(context: bytes, key: bytes) -> bytes:
    """BLAKE3's derive_key(context, key), 32 bytes."""
    return blake3(key, derive_key_context=context.decode()).digest()


class KhaeSuite(Suite):
    """Suite 1: X25519, ML-KEM-768, KHAE, BLAKE3."""

    number = 1
    name = "X25519MLKEM768-KHAE-BLAKE3"
    noise_name = "Noise_NKhfs_25519+MLKEM768_KHAE_BLAKE3"
    magic = b"KHAE"
    public_length = 32
    kem = True

    def hash(self, data: bytes) -> bytes:
        return blake3(data).digest()

    def new_private(self) -> bytes:
        return os.urandom(32)

    def public(self, private: bytes) -> bytes:
        return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def exchange(self, private: bytes, public: bytes) -> bytes:
        # The library refuses an all-zero result itself.
        other = X25519PublicKey.from_public_bytes(public)
        return X25519PrivateKey.from_private_bytes(private).exchange(other)

    def seal(self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
        return khae_seal(self._short_key(key, use, nonce, ad), 0, True, plaintext)

    def open(self, key: bytes, use: str, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        return khae_open(self._short_key(key, use, nonce, ad), 0, True, sealed)

    def commit(self, key: bytes, use: str, nonce: bytes, ad: bytes) -> tuple[bytes, bytes]:
        mk = derived(LABEL + b"KHAE " + use.encode(), key)
        both = keyed(mk, self.header + nonce + le(len(ad)) + ad, 64)
        return both[:32], both[32:]

    def seal_chunk(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, i: int, final: bool, chunk: bytes
    ) -> bytes:
        return khae_seal(key, i, final, chunk)

    def open_chunk(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, i: int, final: bool, chunk: bytes
    ) -> bytes:
        return khae_open(key, i, final, chunk)

    def _short_key(self, key: bytes, use: str, nonce: bytes, ad: bytes) -> bytes:
        mk = derived(LABEL + b"KHAE short " + use.encode(), key)
        return keyed(mk, nonce + le(len(ad)) + ad, 32)


def khae_seal(ck: bytes, i: int, final: bool, plaintext: bytes) -> bytes:
    """One chunk under ck (2.2)."""
    both = keyed(ck, le(i) + bytes([final]), 64)
    tag = keyed(both[:32], plaintext, TAG)
    return xor(plaintext, keyed(both[32:], tag, len(plaintext))) + tag


def khae_open(ck: bytes, i: int, final: bool, sealed: bytes) -> bytes:
    """The plaintext of one chunk under ck (2.2)."""
    ciphertext, tag = split_tag(sealed)
    both = keyed(ck, le(i) + bytes([final]), 64)
    plaintext = xor(ciphertext, keyed(both[32:], tag, len(ciphertext)))
    require(hmac.compare_digest(keyed(both[:32], plaintext, TAG), tag), "tag")
    return plaintext


def ffdhe3072() -> gmpy2.mpz:
    """The prime of RFC 7919, A.2: 2^3072 - 2^3008 + (floor(2^2942 e) + 2625351) 2^64 - 1."""
    # floor(2^2942 e) as the sum of 2^2942 / k!, with 128 bits more than are kept
    scaled, term, k = 0, 1 << (2942 + 128), 0
    while term:
        scaled += term
        k += 1
        term //= k
    return gmpy2.mpz(2**3072 - 2**3008 + ((scaled >> 128) + 2625351) * 2**64 - 1)


class MixSuite(Suite):
    """Suite 2: ffdhe3072, MIX, SHA-256."""

    number = 2
    name = "FFDHE3072-MIX-SHA256"
    noise_name = "Noise_NK_FFDHE3072_MIX_SHA256"
    magic = b"MIXS"
    public_length = 384
    kem = False

    def __init__(self) -> None:
        self.prime = ffdhe3072()

    def hash(self, data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    def new_private(self) -> bytes:
        random = os.urandom(48)
        return bytes([random[0] | 0x80]) + random[1:]

    def public(self, private: bytes) -> bytes:
        return self._power(2, private)

    def exchange(self, private: bytes, public: bytes) -> bytes:
        y = int.from_bytes(public, "big")
        require(2 <= y <= self.prime - 2, "range of the ffdhe3072 value")
        require(gmpy2.jacobi(y, self.prime) == 1, "Jacobi symbol of the ffdhe3072 value")
        return self._power(y, private)

    def _power(self, base: int, private: bytes) -> bytes:
        exponent = int.from_bytes(private, "big")
        return int(gmpy2.powmod_sec(base, exponent, self.prime)).to_bytes(384, "big")

    def seal(self, key: bytes, use: str, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
        k = self._message_key(key, use, nonce, ad, 0, True, len(plaintext))
        return self._encrypt(k, b"", ad, plaintext)

    def open(self, key: bytes, use: str, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        k = self._message_key(key, use, nonce, ad, 0, True, len(sealed) - TAG)
        return self._decrypt(k, b"", ad, sealed)

    def commit(self, key: bytes, use: str, nonce: bytes, ad: bytes) -> tuple[bytes, bytes]:
        text = LABEL + b"MIX commitment " + use.encode() + b"\x00"
        com = self.hmac(key, text + self.header + nonce + le(len(ad)) + ad)
        return key, com

    def seal_chunk(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, i: int, final: bool, chunk: bytes
    ) -> bytes:
        k = self._message_key(key, use, nonce, ad, i, final, len(chunk))
        return self._encrypt(k, self.header, ad, chunk)

    def open_chunk(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, i: int, final: bool, chunk: bytes
    ) -> bytes:
        k = self._message_key(key, use, nonce, ad, i, final, len(chunk) - TAG)
        return self._decrypt(k, self.header, ad, chunk)

    def _message_key(
        self, key: bytes, use: str, nonce: bytes, ad: bytes, i: int, final: bool, length: int
    ) -> bytes:
        require(length >= 0, "a tag")
        text = LABEL + b"MIX " + use.encode() + b"\x00"
        place = le(i) + bytes([final]) + le(len(ad)) + le(length)
        return self.hmac(key, text + nonce + place)

    def _tag(self, k: bytes, header: bytes, ad: bytes, ciphertext: bytes) -> bytes:
        k_int = ((int.from_bytes(k, "big") + 1) % 2**256).to_bytes(32, "big")
        return self.hash(header + le(len(ad)) + ad + le(len(ciphertext)) + ciphertext + k_int)

    def _encrypt(self, k: bytes, header: bytes, ad: bytes, plaintext: bytes) -> bytes:
        blocks, previous = [], bytes(32)
        for at in range(0, len(plaintext), 32):
            block = plaintext[at : at + 32]
            previous = xor(block, self.hash(k + previous)[: len(block)])
            blocks.append(previous)
        ciphertext = b"".join(blocks)
        return ciphertext + self._tag(k, header, ad, ciphertext)

    def _decrypt(self, k: bytes, header: bytes, ad: bytes, sealed: bytes) -> bytes:
        ciphertext, tag = split_tag(sealed)
        require(hmac.compare_digest(self._tag(k, header, ad, ciphertext), tag), "tag")
        before = bytes(32) + ciphertext
        starts = range(0, len(ciphertext), 32)
        stream = b"".join(self.hash(k + before[at : at + 32]) for at in starts)
        return xor(ciphertext, stream[: len(ciphertext)])


class KemKey:
    """An ML-KEM-768 key pair for one handshake (2.4)."""

    def __init__(self) -> None:
        self._private = mlkem.MLKEM768PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The shared secret, 32 bytes."""
        require(len(ciphertext) == 1088, "length of the ML-KEM ciphertext")
        return self._private.decapsulate(ciphertext)


def suite_of(number: int) -> Suite:
    """The suite with this id."""
    require(number in (1, 2), "suite is 1 or 2")
    return KhaeSuite() if number == 1 else MixSuite()
