"""The peer's ciphers and Noise against the known answers in vectors/."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from .descriptors import read_link
from .goods import padme, piece_lengths
from .noise import Initiator
from .notation import PeerError, cells_for, derive, named_hash, pad, unpad
from .suites import KhaeSuite, MixSuite, hmac_of, object_length, suite_of

VECTORS = Path(__file__).parents[2] / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())["vectors"]
    assert vectors
    return vectors


def cipher_cases() -> list[Any]:
    return [
        pytest.param(number, vector, id=f"{name}-{vector['name']}")
        for number, name in ((1, "khae"), (2, "mix"))
        for vector in load(f"{name}.json")
    ]


@pytest.mark.parametrize(("number", "vector"), cipher_cases())
def test_cipher(number: int, vector: dict[str, Any]) -> None:
    suite = suite_of(number)
    key, nonce, ad = (bytes.fromhex(vector[name]) for name in ("key", "nonce", "ad"))
    plaintext = bytes(j % 251 for j in range(vector["plaintext_bytes"]))
    long = vector["form"] == "long"
    seal, unseal = (suite.seal_object, suite.open_object) if long else (suite.seal, suite.open)
    if vector["expect"] == "success":
        sealed = seal(key, vector["use"], nonce, ad, plaintext)
        if "sealed" in vector:
            assert sealed == bytes.fromhex(vector["sealed"])
        else:
            assert hashlib.sha256(sealed).hexdigest() == vector["sealed_sha256"]
        assert unseal(key, vector["use"], nonce, ad, sealed) == plaintext
        assert len(sealed) == (object_length(len(plaintext)) if long else len(plaintext) + 32)
    else:
        sealed = bytes.fromhex(vector["sealed"])
        nonce = sealed[7:31] if long else nonce
        with pytest.raises(PeerError):
            unseal(key, vector["use"], nonce, ad, sealed)


class StandardSuite:
    """Noise with 25519 and the ciphers of the public vectors."""

    public_length = 32
    kem = False

    def __init__(self, noise_name: str) -> None:
        self.noise_name = noise_name
        _, _, _, self._cipher, self._hash = noise_name.split("_")

    def hash(self, data: bytes) -> bytes:
        return hashlib.new(self._hash.lower(), data).digest()

    def hmac(self, key: bytes, data: bytes) -> bytes:
        return hmac_of(self.hash, key, data)

    def public(self, private: bytes) -> bytes:
        return KhaeSuite().public(private)

    def exchange(self, private: bytes, public: bytes) -> bytes:
        return KhaeSuite().exchange(private, public)

    def noise_encrypt(self, key: bytes, n: int, ad: bytes, plaintext: bytes) -> bytes:
        cipher, nonce = self._keyed(key, n)
        return cipher.encrypt(nonce, plaintext, ad)

    def noise_decrypt(self, key: bytes, n: int, ad: bytes, sealed: bytes) -> bytes:
        cipher, nonce = self._keyed(key, n)
        return cipher.decrypt(nonce, sealed, ad)

    def _keyed(self, key: bytes, n: int) -> tuple[AESGCM | ChaCha20Poly1305, bytes]:
        if self._cipher == "AESGCM":
            return AESGCM(key), bytes(4) + n.to_bytes(8, "big")
        return ChaCha20Poly1305(key), bytes(4) + n.to_bytes(8, "little")


NK = [vector for vector in load("noise.json") if "_NK_" in vector["protocol_name"]]


@pytest.mark.parametrize("vector", NK, ids=lambda vector: vector["protocol_name"])
def test_noise_nk(vector: dict[str, Any]) -> None:
    suite = StandardSuite(vector["protocol_name"])
    prologue, static, ephemeral = (
        bytes.fromhex(vector[name])
        for name in ("init_prologue", "init_remote_static", "init_ephemeral")
    )
    messages = [
        (bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"]))
        for message in vector["messages"]
    ]
    initiator = Initiator(suite, prologue, static, ephemeral)
    assert initiator.first(messages[0][0]) == messages[0][1]
    payload, keys = initiator.second(messages[1][1])
    assert payload == messages[1][0]
    assert keys.handshake_hash.hex() == vector["handshake_hash"]
    for at, (plaintext, sealed) in enumerate(messages[2:]):
        key = (keys.initiator, keys.responder)[at % 2]
        assert suite.noise_encrypt(key, at // 2, b"", plaintext) == sealed


def test_ffdhe3072() -> None:
    """RFC 7919, A.2: the ends of the printed modulus, and that it is a safe prime."""
    prime = MixSuite().prime
    printed = f"{prime:X}"
    assert printed.startswith("FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1")
    assert printed.endswith("25E41D2B66C62E37FFFFFFFFFFFFFFFF") and len(printed) == 768
    assert prime.is_prime() and ((prime - 1) // 2).is_prime()


@pytest.mark.parametrize("public", [bytes(384), (1).to_bytes(384, "big"), b"\xff" * 384])
def test_bad_ffdhe3072_values(public: bytes) -> None:
    suite = MixSuite()
    with pytest.raises(PeerError):
        suite.exchange(suite.new_private(), public)


def test_ffdhe3072_non_residue() -> None:
    suite = MixSuite()
    minus_two = int(suite.prime - 2).to_bytes(384, "big")
    with pytest.raises(PeerError, match="Jacobi"):
        suite.exchange(suite.new_private(), minus_two)


def test_rfc7748() -> None:
    """RFC 7748, 6.1."""
    private = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    public = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert KhaeSuite().exchange(private, public).hex() == shared


@pytest.mark.parametrize("length", [0, 1, 1019, 1020, 1021, 2044])
def test_padding(length: int) -> None:
    message = b"x" * length
    padded = pad(message, 1)
    assert len(padded) == 1024 * cells_for(length) == 1024 * -(-(length + 4) // 1024)
    assert unpad(padded, 1) == message
    with pytest.raises(PeerError):
        unpad(padded + bytes(1024), 1)
    if len(padded) > 4 + length:
        with pytest.raises(PeerError):
            unpad(padded[:-1] + b"y", 1)


def test_shapes() -> None:
    assert [padme(n) for n in (2, 3, 9, 100, 1025, 70_000)] == [2, 3, 10, 104, 1088, 71_680]
    assert piece_lengths(2 * 2**20 + 1024) == [2**20, 2**20, 1024]
    assert piece_lengths(2**20) == [2**20]
    by_hand = hashlib.sha256(b"veilmart 2026 request\x00" + b"record").digest()
    assert named_hash("request", b"record") == by_hand


def test_derive() -> None:
    """The library's HKDF-Expand over the info that 1.5 writes out."""
    label = b"veilmart 2026 escrow key"
    info = (24).to_bytes(8, "little") + label + (5).to_bytes(8, "little") + b"place"
    info += (32).to_bytes(8, "little")
    expected = HKDFExpand(hashes.SHA256(), 32, info).derive(bytes(range(32)))
    assert derive(bytes(range(32)), "escrow key", b"place") == expected


def test_link() -> None:
    first, second = ("-".join(["ABcd"] * 12 + ["abca"]), "abcd" * 12 + "abca")
    link = read_link(f"veilmart://localhost/{first}/{second}#two%20words")
    assert (link.host, link.port, link.product) == ("localhost", 8000, "two words")
    assert link.broker == link.merchant and len(link.broker) == 32
    with pytest.raises(PeerError):
        read_link(f"veilmart://localhost/{first}/{second}a")
