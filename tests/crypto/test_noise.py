"""The handshake machine: public vectors, an independent NKhfs, order of calls, hostile messages."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b, blake2s, sha512
from hmac import digest as hmac_digest
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

import tests.crypto.crypto_reference as reference
from veilmart.crypto.diffie_hellman import X25519, DiffieHellman, KeyPair
from veilmart.crypto.hash_functions import HashFunction, Sha256
from veilmart.crypto.noise import Handshake, HandshakeResult, NoiseProtocol
from veilmart.crypto.noise_patterns import handshake_pattern
from veilmart.crypto.suite import Suite, all_suites, suite_by_id
from veilmart.errors import (
    BadPublicValue,
    HandshakeFailed,
    MalformedMessage,
    Misuse,
    OpenFailed,
    PeerFault,
)

_FOLDER = Path(__file__).resolve().parents[2] / "vectors"
VECTORS = [
    vector
    for name in ("noise.json", "noise_more.json")
    for vector in json.loads((_FOLDER / name).read_text())["vectors"]
]
each_suite = pytest.mark.parametrize("suite", all_suites(), ids=lambda suite: suite.name)


@dataclass(frozen=True)
class PublicCipher:
    """ChaChaPoly and AESGCM as Noise section 12 defines them."""

    name: str
    make: Callable[[bytes], Any]
    byte_order: Any
    tag_bytes: int = 16

    def _nonce(self, n: int) -> bytes:
        return bytes(4) + n.to_bytes(8, self.byte_order)

    def encrypt(self, key: bytes, n: int, ad: bytes, plaintext: bytes) -> bytes:
        sealed: bytes = self.make(key).encrypt(self._nonce(n), plaintext, ad)
        return sealed

    def decrypt(self, key: bytes, n: int, ad: bytes, ciphertext: bytes) -> bytes:
        try:
            opened: bytes = self.make(key).decrypt(self._nonce(n), ciphertext, ad)
        except InvalidTag:
            raise OpenFailed from None
        return opened


@dataclass(frozen=True)
class PublicHash:
    """A hash of Noise section 12 that no suite has: 32 or 64 bytes."""

    name: str
    function: Any

    def hash(self, data: bytes) -> bytes:
        digest: bytes = self.function(data).digest()
        return digest

    def hmac(self, key: bytes, data: bytes) -> bytes:
        return hmac_digest(key, data, self.function)


class X448:
    """RFC 7748 section 5; 56-byte values, so that DHLEN differs from every other length."""

    name = "448"
    public_bytes = 56

    def generate(self, random: Callable[[int], bytes]) -> KeyPair:
        return self.key_pair(random(56))

    def key_pair(self, private: bytes) -> KeyPair:
        public = X448PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        return KeyPair(private, public)

    def shared(self, own: KeyPair, peer_public: bytes) -> bytes:
        key = X448PrivateKey.from_private_bytes(own.private)
        return key.exchange(X448PublicKey.from_public_bytes(peer_public))

    def check_public(self, peer_public: bytes) -> None:
        """Nobody certifies one."""


CIPHERS = {
    "ChaChaPoly": PublicCipher("ChaChaPoly", ChaCha20Poly1305, "little"),
    "AESGCM": PublicCipher("AESGCM", AESGCM, "big"),
}
HASHES: dict[str, HashFunction] = {
    "SHA256": Sha256(),
    "SHA512": PublicHash("SHA512", sha512),
    "BLAKE2s": PublicHash("BLAKE2s", blake2s),
    "BLAKE2b": PublicHash("BLAKE2b", blake2b),
}
AGREEMENTS: dict[str, DiffieHellman] = {"25519": X25519(), "448": X448()}
ONE_WAY = ("N", "K", "X")


def no_randomness(size: int) -> bytes:
    raise AssertionError(f"{size} random bytes were asked for")


def counting_source(seed: int) -> Callable[[int], bytes]:
    state = [seed]

    def draw(size: int) -> bytes:
        state[0] += 1
        return blake3(bytes(state)).digest(size)

    return draw


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["protocol_name"])
def test_public_vector(vector: dict[str, Any]) -> None:
    _, pattern, dh_name, cipher_name, hash_name = vector["protocol_name"].split("_")
    cipher, dh = CIPHERS[cipher_name], AGREEMENTS[dh_name]
    protocol = NoiseProtocol(dh, None, cipher, HASHES[hash_name])
    assert protocol.name(pattern) == vector["protocol_name"]
    sides = []
    for role in ("init", "resp"):
        pairs = {
            kind: dh.key_pair(bytes.fromhex(vector[f"{role}_{kind}"]))
            for kind in ("static", "ephemeral")
            if f"{role}_{kind}" in vector
        }
        remote = vector.get(f"{role}_remote_static")
        sides.append(
            Handshake(
                protocol,
                pattern,
                role == "init",
                bytes.fromhex(vector[f"{role}_prologue"]),
                random=no_randomness,
                remote_static=bytes.fromhex(remote) if remote else None,
                **pairs,
            )
        )
    messages = [
        tuple(bytes.fromhex(message[field]) for field in ("payload", "ciphertext"))
        for message in vector["messages"]
    ]
    count = len(handshake_pattern(pattern).messages)
    for number, (payload, ciphertext) in enumerate(messages[:count]):
        assert sides[number % 2].write_message(payload) == ciphertext
        assert sides[1 - number % 2].read_message(ciphertext) == payload
    assert sides[0].finished
    assert sides[1].finished
    results = [side.split() for side in sides]
    assert results[0] == results[1]
    assert results[0].handshake_hash.hex() == vector["handshake_hash"]
    keys, counters = (results[0].initiator_key, results[0].responder_key), [0, 0]
    for number, (payload, ciphertext) in enumerate(messages[count:], start=count):
        sender = 0 if pattern in ONE_WAY else number % 2
        assert cipher.encrypt(keys[sender], counters[sender], b"", payload) == ciphertext
        counters[sender] += 1


def pair(suite: Suite, base: str, **changes: Any) -> tuple[Handshake, Handshake]:
    static = suite.dh.generate(counting_source(1)) if base == "NK" else None
    options = {"prologue": b"prologue", "remote": static.public if static else None} | changes
    protocol, pattern = suite.noise_protocol, suite.pattern(base)
    initiator = Handshake(
        protocol,
        pattern,
        True,
        b"prologue",
        random=counting_source(2),
        remote_static=options["remote"],
    )
    responder = Handshake(
        protocol, pattern, False, options["prologue"], random=counting_source(3), static=static
    )
    return initiator, responder


def run(initiator: Handshake, responder: Handshake) -> tuple[HandshakeResult, HandshakeResult]:
    assert responder.read_message(initiator.write_message(b"one")) == b"one"
    assert initiator.read_message(responder.write_message(b"two")) == b"two"
    return initiator.split(), responder.split()


@each_suite
@pytest.mark.parametrize("base", ["NN", "NK"])
def test_both_sides_agree(suite: Suite, base: str) -> None:
    one, two = run(*pair(suite, base))
    assert one == two
    values = {one.handshake_hash, one.initiator_key, one.responder_key, one.exporter}
    assert len(values) == 4
    assert all(len(value) == 32 for value in values)
    assert one.initiator_key.hex() not in repr(one)
    assert repr(one.initiator_key) not in repr(one)


def test_protocol_names() -> None:
    default, second = all_suites()
    assert default.noise_protocol.name(default.pattern("NK")) == (
        "Noise_NKhfs_25519+MLKEM768_KHAE_BLAKE3"
    )
    assert second.noise_protocol.name(second.pattern("NK")) == "Noise_NK_FFDHE3072_MIX_SHA256"


PROLOGUE, STATIC, EPHEMERAL, SEED = b"prologue", b"\x11" * 32, b"\x22" * 32, b"\x33" * 64


def as_tuple(result: HandshakeResult) -> tuple[bytes, tuple[bytes, bytes, bytes]]:
    return result.handshake_hash, (result.initiator_key, result.responder_key, result.exporter)


def test_nkhfs_initiator_against_the_reference_responder() -> None:
    suite = suite_by_id(1)
    ours = Handshake(
        suite.noise_protocol,
        "NKhfs",
        True,
        PROLOGUE,
        random=lambda size: SEED[:size],
        remote_static=reference.public(STATIC),
        ephemeral=KeyPair(EPHEMERAL, reference.public(EPHEMERAL)),
    )
    message = ours.write_message(b"question")
    expected, _, _ = reference.nkhfs_initiator_message1(
        PROLOGUE, reference.public(STATIC), EPHEMERAL, SEED, b"question"
    )
    assert message == expected
    got, answer, *agreed = reference.nkhfs_responder(
        PROLOGUE, STATIC, b"\x44" * 32, message, b"answer"
    )
    assert got == b"question"
    assert ours.read_message(answer) == b"answer"
    assert as_tuple(ours.split()) == tuple(agreed)


def test_nkhfs_responder_against_the_reference_initiator() -> None:
    suite = suite_by_id(1)
    message, ck, hh = reference.nkhfs_initiator_message1(
        PROLOGUE, reference.public(STATIC), EPHEMERAL, SEED, b"question"
    )
    ours = Handshake(
        suite.noise_protocol,
        "NKhfs",
        False,
        PROLOGUE,
        random=counting_source(5),
        static=KeyPair(STATIC, reference.public(STATIC)),
    )
    assert ours.read_message(message) == b"question"
    answer = ours.write_message(b"answer")
    payload, *agreed = reference.nkhfs_initiator_finish(ck, hh, EPHEMERAL, SEED, answer)
    assert payload == b"answer"
    assert as_tuple(ours.split()) == tuple(agreed)


@each_suite
def test_another_prologue_fails(suite: Suite) -> None:
    initiator, responder = pair(suite, "NK", prologue=b"downgrade")
    with pytest.raises(HandshakeFailed):
        responder.read_message(initiator.write_message(b""))


@each_suite
def test_another_static_key_fails(suite: Suite) -> None:
    other = suite.dh.generate(counting_source(9)).public
    initiator, responder = pair(suite, "NK", remote=other)
    with pytest.raises(HandshakeFailed):
        responder.read_message(initiator.write_message(b""))


@each_suite
def test_no_changed_message_is_taken(suite: Suite) -> None:
    first = pair(suite, "NK")[0].write_message(b"one")
    # The highest bit of an X25519 value is ignored by RFC 7748, but not by the handshake hash.
    for index in (0, 31, suite.dh.public_bytes, len(first) // 2, len(first) - 1):
        changed = bytearray(first)
        changed[index] ^= 0x80
        with pytest.raises(PeerFault):
            pair(suite, "NK")[1].read_message(bytes(changed))
    for size in (0, 1, suite.dh.public_bytes, len(first) - 4, len(first) - 1):
        with pytest.raises((MalformedMessage, HandshakeFailed)):
            pair(suite, "NK")[1].read_message(first[:size])


@each_suite
def test_no_changed_answer_is_taken(suite: Suite) -> None:
    probe = pair(suite, "NN")
    probe[1].read_message(probe[0].write_message(b""))
    size = len(probe[1].write_message(b"two"))
    for index in (0, suite.dh.public_bytes, size // 2, size - 1):
        initiator, responder = pair(suite, "NN")
        responder.read_message(initiator.write_message(b""))
        changed = bytearray(responder.write_message(b"two"))
        changed[index] ^= 1
        with pytest.raises(PeerFault):
            initiator.read_message(bytes(changed))
        with pytest.raises(Misuse):
            initiator.split()


def test_an_all_zero_ephemeral_is_refused() -> None:
    suite = suite_by_id(1)
    initiator, responder = pair(suite, "NK")
    message = initiator.write_message(b"")
    with pytest.raises(BadPublicValue):
        responder.read_message(bytes(32) + message[32:])


def test_a_malformed_kem_key_is_refused() -> None:
    suite = suite_by_id(1)
    initiator, responder = pair(suite, "NN")
    message = initiator.write_message(b"")
    assert responder.read_message(message[:32] + b"\xff" * 1184) == b""
    with pytest.raises(BadPublicValue):
        responder.write_message(b"")


@each_suite
def test_an_ephemeral_out_of_range_is_refused(suite: Suite) -> None:
    initiator, responder = pair(suite, "NN")
    size = suite.dh.public_bytes
    responder.read_message(bytes(size) + initiator.write_message(b"")[size:])
    with pytest.raises(BadPublicValue):
        responder.write_message(b"")


@each_suite
def test_order_of_calls(suite: Suite) -> None:
    initiator, responder = pair(suite, "NN")
    for wrong in (
        initiator.split,
        lambda: initiator.read_message(b""),
        lambda: responder.write_message(b""),
    ):
        with pytest.raises(Misuse):
            wrong()
    run(initiator, responder)
    for wrong in (initiator.split, lambda: initiator.write_message(b"")):
        with pytest.raises(Misuse):
            wrong()


def test_after_a_failure_the_machine_is_dead() -> None:
    initiator, responder = pair(suite_by_id(1), "NK")
    message = initiator.write_message(b"")
    with pytest.raises(HandshakeFailed):
        responder.read_message(message[:-1] + bytes((message[-1] ^ 1,)))
    with pytest.raises(Misuse):
        responder.read_message(message)
    assert not responder.finished


def test_length_limits() -> None:
    suite = suite_by_id(1)
    with pytest.raises(MalformedMessage):
        pair(suite, "NN")[1].read_message(bytes(65536))
    with pytest.raises(Misuse):
        pair(suite, "NN")[0].write_message(bytes(65535))


def test_constructor_demands_what_the_pattern_needs() -> None:
    suite = suite_by_id(1)
    key = suite.dh.generate(counting_source(1))
    protocol = suite.noise_protocol
    for pattern, initiator, options in (
        ("NKhfs", True, {}),
        ("NKhfs", False, {}),
        ("NKhfs", False, {"static": key, "remote_static": key.public}),
        ("NNhfs", True, {"remote_static": key.public}),
        ("NNhfs", True, {"static": key}),
        ("NK", True, {"remote_static": key.public}),
        ("XXhfs", True, {}),
    ):
        with pytest.raises(Misuse):
            Handshake(protocol, pattern, initiator, b"", random=no_randomness, **options)
    with pytest.raises(BadPublicValue):
        Handshake(protocol, "NKhfs", True, b"", random=no_randomness, remote_static=key.public[:-1])
