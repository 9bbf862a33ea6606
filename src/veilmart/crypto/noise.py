"""The handshake machine: Noise Protocol Framework, revision 34, section 5.3, with `hfs`.

Generic over Diffie-Hellman, KEM, cipher and hash. Pure: the caller moves the messages and passes
the randomness in. Each side calls write_message and read_message alternately, the initiator
writing first, then split() once. After any failure the machine is dead.
"""

from dataclasses import dataclass, field
from typing import NoReturn

from veilmart.crypto.diffie_hellman import DiffieHellman
from veilmart.crypto.hash_functions import HashFunction
from veilmart.crypto.kem import Kem
from veilmart.crypto.key_pair import KeyPair, RandomSource
from veilmart.crypto.noise_patterns import HandshakePattern, handshake_pattern
from veilmart.crypto.symmetric_state import NoiseCipher, SymmetricState
from veilmart.errors import BadPublicValue, MalformedMessage, Misuse, VeilmartError
from veilmart.limits import NOISE_MESSAGE_MAX_BYTES

# token → (initiator's half, responder's half); e and s are the ephemeral and static keys.
_DH_TOKENS = {"ee": ("e", "e"), "es": ("e", "s"), "se": ("s", "e"), "ss": ("s", "s")}


@dataclass(frozen=True, slots=True)
class NoiseProtocol:
    """The algorithms of a handshake. `kem` is None where the pattern has no `hfs`."""

    dh: DiffieHellman
    kem: Kem | None
    cipher: NoiseCipher
    hash: HashFunction

    def name(self, pattern: str) -> str:
        """Like "Noise_NKhfs_25519+MLKEM768_KHAE_BLAKE3" (section 8)."""
        agreement = self.dh.name if self.kem is None else f"{self.dh.name}+{self.kem.name}"
        return f"Noise_{pattern}_{agreement}_{self.cipher.name}_{self.hash.name}"


@dataclass(frozen=True, slots=True)
class HandshakeResult:
    """Keys of 32 bytes, a handshake hash of HASHLEN.

    The initiator seals under initiator_key, the responder under the other.
    """

    handshake_hash: bytes
    initiator_key: bytes = field(repr=False)
    responder_key: bytes = field(repr=False)
    exporter: bytes = field(repr=False)


class Handshake:
    """One side of one handshake."""

    def __init__(
        self,
        protocol: NoiseProtocol,
        pattern: str,
        initiator: bool,
        prologue: bytes,
        *,
        random: RandomSource,
        static: KeyPair | None = None,
        remote_static: bytes | None = None,
        ephemeral: KeyPair | None = None,
    ) -> None:
        """`static` and `remote_static` as the pattern needs them, else Misuse.

        `remote_static` comes from a peer's descriptor: BadPublicValue if its length is wrong.
        `ephemeral` is for known-answer tests; otherwise `random` makes it.
        """
        self._shape = handshake_pattern(pattern)
        if pattern.endswith("hfs") != (protocol.kem is not None):
            raise Misuse("A pattern has hfs if and only if the protocol has a KEM.")
        self._protocol = protocol
        self._initiator = initiator
        self._random = random
        self._keys = {"s": static, "e": ephemeral}
        self._remote = {"s": remote_static}
        self._kem_pair: KeyPair | None = None
        self._kem_remote = b""
        self._next = 0
        self._alive = True
        self._state = SymmetricState(protocol.name(pattern), protocol.cipher, protocol.hash)
        self._state.mix_hash(prologue)
        self._check_statics(self._shape)
        self._mix_known_statics(self._shape)

    @property
    def finished(self) -> bool:
        """True when every message has passed, until and after split()."""
        return self._next == len(self._shape.messages)

    def write_message(self, payload: bytes) -> bytes:
        """The next message, at most 65535 bytes. Misuse out of turn; BadPublicValue."""
        tokens = self._begin(writing=True)
        try:
            parts = [self._write_token(token) for token in tokens]
            parts.append(self._state.encrypt_and_hash(payload))
        except VeilmartError:
            self._die()
            raise
        message = b"".join(parts)
        if len(message) > NOISE_MESSAGE_MAX_BYTES:
            self._die()
            raise Misuse("A handshake message is too long.")
        self._next += 1
        return message

    def read_message(self, message: bytes) -> bytes:
        """The payload. Raises HandshakeFailed, BadPublicValue, MalformedMessage; Misuse."""
        tokens = self._begin(writing=False)
        try:
            if len(message) > NOISE_MESSAGE_MAX_BYTES:
                self._refuse("too long")
            for token in tokens:
                message = self._read_token(token, message)
            if len(message) < self._state.tag_bytes:
                self._refuse("cut short")
            payload = self._state.decrypt_and_hash(message)
        except VeilmartError:
            self._die()
            raise
        self._next += 1
        return payload

    def split(self) -> HandshakeResult:
        """The session's keys, once; Misuse before the last message and a second time."""
        if not self.finished or not self._alive:
            raise Misuse("A handshake is split once, after its last message.")
        initiator_key, responder_key, exporter = self._state.split()
        self._die()
        return HandshakeResult(self._state.handshake_hash, initiator_key, responder_key, exporter)

    def _check_statics(self, shape: HandshakePattern) -> None:
        """Our static key is needed if it is known beforehand or sent; likewise the peer's."""
        ours, theirs = shape.initiator_known, shape.responder_known
        if not self._initiator:
            ours, theirs = theirs, ours
        sends = any("s" in tokens for tokens in shape.messages[1 - self._initiator :: 2])
        if (self._keys["s"] is not None) != (ours or sends):
            raise Misuse("The pattern does not fit the static key given.")
        remote = self._remote["s"]
        if (remote is not None) != theirs:
            raise Misuse("The pattern does not fit the peer's static key given.")
        if remote is not None and len(remote) != self._protocol.dh.public_bytes:
            raise BadPublicValue("The peer's static key has the wrong length.")

    def _mix_known_statics(self, shape: HandshakePattern) -> None:
        for owner_is_initiator, known in (
            (True, shape.initiator_known),
            (False, shape.responder_known),
        ):
            if known:
                ours = owner_is_initiator == self._initiator
                self._state.mix_hash(self._own("s").public if ours else self._peer("s"))

    def _begin(self, *, writing: bool) -> tuple[str, ...]:
        if not self._alive or self.finished:
            raise Misuse("The handshake is over.")
        if writing != (self._initiator == (self._next % 2 == 0)):
            raise Misuse("It is the other side's turn in the handshake.")
        return self._shape.messages[self._next]

    def _write_token(self, token: str) -> bytes:
        match token:
            case "e":
                if self._keys["e"] is None:
                    self._keys["e"] = self._protocol.dh.generate(self._random)
                public = self._own("e").public
                self._state.mix_hash(public)
                return public
            case "s":
                return self._state.encrypt_and_hash(self._own("s").public)
            case "e1":
                self._kem_pair = self._kem().generate(self._random)
                return self._state.encrypt_and_hash(self._kem_pair.public)
            case "ekem1":
                ciphertext, shared = self._kem().encapsulate(self._kem_remote, self._random)
                sealed = self._state.encrypt_and_hash(ciphertext)
                self._state.mix_key(shared)
                return sealed
        self._mix_shared(token)
        return b""

    def _read_token(self, token: str, message: bytes) -> bytes:
        """Takes the token's bytes from the front of the message and returns the rest."""
        public_bytes = self._protocol.dh.public_bytes
        match token:
            case "e":
                public, message = self._take(message, public_bytes)
                self._state.mix_hash(public)
                self._remote["e"] = public
            case "s":
                sealed, message = self._take(message, public_bytes + self._state.tag_bytes)
                self._remote["s"] = self._state.decrypt_and_hash(sealed)
            case "e1":
                size = self._kem().public_bytes + self._state.tag_bytes
                sealed, message = self._take(message, size)
                self._kem_remote = self._state.decrypt_and_hash(sealed)
            case "ekem1":
                size = self._kem().ciphertext_bytes + self._state.tag_bytes
                sealed, message = self._take(message, size)
                ciphertext = self._state.decrypt_and_hash(sealed)
                if self._kem_pair is None:
                    raise Misuse("There is no KEM key to decapsulate with.")
                self._state.mix_key(self._kem().decapsulate(self._kem_pair, ciphertext))
            case _:
                self._mix_shared(token)
        return message

    def _mix_shared(self, token: str) -> None:
        ours, theirs = _DH_TOKENS[token]
        if not self._initiator:
            ours, theirs = theirs, ours
        shared = self._protocol.dh.shared(self._own(ours), self._peer(theirs))
        self._state.mix_key(shared)

    def _own(self, which: str) -> KeyPair:
        pair = self._keys[which]
        if pair is None:
            raise Misuse("The handshake lacks a key of ours.")
        return pair

    def _peer(self, which: str) -> bytes:
        public = self._remote.get(which)
        if public is None:
            raise Misuse("The handshake lacks a key of the peer's.")
        return public

    def _kem(self) -> Kem:
        if self._protocol.kem is None:
            raise Misuse("The protocol has no KEM.")
        return self._protocol.kem

    def _take(self, message: bytes, size: int) -> tuple[bytes, bytes]:
        if len(message) < size:
            self._refuse("cut short")
        return message[:size], message[size:]

    def _refuse(self, how: str) -> NoReturn:
        raise MalformedMessage(f"A handshake message is {how}.")

    def _die(self) -> None:
        """Ephemeral secrets and keys are dropped as soon as they have served."""
        self._alive = False
        self._keys.clear()
        self._kem_pair = None
        self._state.erase()
