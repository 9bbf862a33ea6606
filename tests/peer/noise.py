"""Page 2.4: the initiator's side of Noise NK and NKhfs. A customer needs no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .notation import require
from .suites import KemKey


class NoiseSuite(Protocol):
    """What Noise asks of a suite. Hashes have 32 bytes."""

    noise_name: str
    public_length: int
    kem: bool

    def hash(self, data: bytes) -> bytes:
        """HASH."""

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """HMAC-HASH."""

    def public(self, private: bytes) -> bytes:
        """The public value of a private key."""

    def exchange(self, private: bytes, public: bytes) -> bytes:
        """DH."""

    def noise_encrypt(self, key: bytes, n: int, ad: bytes, plaintext: bytes) -> bytes:
        """ENCRYPT."""

    def noise_decrypt(self, key: bytes, n: int, ad: bytes, sealed: bytes) -> bytes:
        """DECRYPT."""


@dataclass(frozen=True, repr=False)
class SplitKeys:
    """The three outputs of Split and the handshake hash, 32 bytes each."""

    initiator: bytes
    responder: bytes
    exporter: bytes
    handshake_hash: bytes


def hkdf(suite: NoiseSuite, key: bytes, data: bytes) -> tuple[bytes, bytes, bytes]:
    """Noise's HKDF with three outputs; callers that need two drop the third."""
    temp = suite.hmac(key, data)
    first = suite.hmac(temp, b"\x01")
    second = suite.hmac(temp, first + b"\x02")
    return first, second, suite.hmac(temp, second + b"\x03")


class Initiator:
    """One handshake: `first` makes message 1, `second` reads message 2."""

    def __init__(
        self, suite: NoiseSuite, prologue: bytes, remote_static: bytes, private: bytes
    ) -> None:
        require(len(remote_static) == suite.public_length, "length of the tunnel key")
        name = suite.noise_name.encode()
        self._suite = suite
        self._h = name.ljust(32, b"\x00") if len(name) <= 32 else suite.hash(name)
        self._ck = self._h
        self._k = b""
        self._n = 0
        self._static = remote_static
        self._private = private
        self._kem = KemKey() if suite.kem else None
        self._mix_hash(prologue)
        self._mix_hash(remote_static)

    def first(self, payload: bytes) -> bytes:
        """Message 1: e, es, e1 where there is a KEM, payload."""
        ephemeral = self._suite.public(self._private)
        self._mix_hash(ephemeral)
        self._mix_key(self._suite.exchange(self._private, self._static))
        kem_key = self._encrypt(self._kem.public) if self._kem else b""
        return ephemeral + kem_key + self._encrypt(payload)

    def second(self, message: bytes) -> tuple[bytes, SplitKeys]:
        """Message 2: e, ee, ekem1 where there is a KEM. Gives its payload and the keys."""
        ephemeral, rest = message[: self._suite.public_length], message[self._suite.public_length :]
        require(len(ephemeral) == self._suite.public_length, "length of message 2")
        self._mix_hash(ephemeral)
        self._mix_key(self._suite.exchange(self._private, ephemeral))
        if self._kem:
            self._mix_key(self._kem.decapsulate(self._decrypt(rest[: 1088 + 32])))
            rest = rest[1088 + 32 :]
        payload = self._decrypt(rest)
        return payload, SplitKeys(*hkdf(self._suite, self._ck, b""), self._h)

    def _mix_hash(self, data: bytes) -> None:
        self._h = self._suite.hash(self._h + data)

    def _mix_key(self, secret: bytes) -> None:
        self._ck, self._k, _ = hkdf(self._suite, self._ck, secret)
        self._n = 0

    def _encrypt(self, plaintext: bytes) -> bytes:
        sealed = self._suite.noise_encrypt(self._k, self._n, self._h, plaintext)
        self._n += 1
        self._mix_hash(sealed)
        return sealed

    def _decrypt(self, sealed: bytes) -> bytes:
        plaintext = self._suite.noise_decrypt(self._k, self._n, self._h, sealed)
        self._n += 1
        self._mix_hash(sealed)
        return plaintext
