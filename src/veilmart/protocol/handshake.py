"""The three handshakes (docs/protocol/04-sessions.md), each ending in `SessionKeys`.

Customer-broker and customer-merchant: Noise NK, with hfs where the suite has a KEM. Message 1
carries a fresh challenge of 32 bytes, message 2 gives it back: only the holder of the certified
tunnel key can. The broker-merchant link has a handshake of its own, in link.py.
"""

import hmac
from dataclasses import dataclass, field

from veilmart.crypto.diffie_hellman import KeyPair
from veilmart.crypto.noise import Handshake, HandshakeResult
from veilmart.crypto.suite import Suite
from veilmart.errors import HandshakeFailed, MalformedMessage
from veilmart.protocol import labels
from veilmart.protocol.encoding import labelled_hash
from veilmart.protocol.ports import Random

CHALLENGE_BYTES = 32
SESSION_ID_BYTES = 16


@dataclass(frozen=True)
class SessionKeys:
    """Keys of one session. Sizes: session_id 16, all others 32 bytes."""

    session_id: bytes
    suite: Suite
    request_key: bytes = field(repr=False)
    answer_key: bytes = field(repr=False)
    exporter: bytes = field(repr=False)
    handshake_hash: bytes

    @property
    def session_fingerprint(self) -> str:
        """16 hexadecimal digits, equal at both ends; says nothing about the keys."""
        return labelled_hash(labels.SESSION_FINGERPRINT, self.handshake_hash)[:8].hex()


def session_keys(session_id: bytes, suite: Suite, result: HandshakeResult) -> SessionKeys:
    """The initiator's key seals requests, the responder's key seals answers."""
    return SessionKeys(
        session_id=session_id,
        suite=suite,
        request_key=result.initiator_key,
        answer_key=result.responder_key,
        exporter=result.exporter,
        handshake_hash=result.handshake_hash,
    )


def prologue(label: str, suite: Suite, *parts: bytes) -> bytes:
    """label ‖ 0 ‖ suite name ‖ 0 ‖ parts, each of fixed length."""
    return label.encode() + b"\0" + suite.name.encode() + b"\0" + b"".join(parts)


class CertifiedInitiator:
    """The customer's side of NK: hold the challenge, accept only its echo. Use once."""

    def __init__(self, suite: Suite, prologue: bytes, responder_key: bytes, random: Random) -> None:
        self._suite = suite
        self._challenge = random(CHALLENGE_BYTES)
        self._noise = Handshake(
            suite.noise_protocol,
            suite.pattern("NK"),
            True,
            prologue,
            random=random,
            remote_static=responder_key,
        )
        self.message1 = self._noise.write_message(self._challenge)

    def finish(self, session_id: bytes, message2: bytes) -> SessionKeys:
        """Raises HandshakeFailed, BadPublicValue, MalformedMessage."""
        echo = self._noise.read_message(message2)
        if not hmac.compare_digest(echo, self._challenge):
            raise HandshakeFailed("The challenge was not answered.")
        return session_keys(session_id, self._suite, self._noise.split())


def answer_certified(
    suite: Suite,
    prologue: bytes,
    static: KeyPair,
    session_id: bytes,
    message1: bytes,
    random: Random,
) -> tuple[bytes, SessionKeys]:
    """The responder's side of NK: (message 2, keys). Raises as `CertifiedInitiator.finish`."""
    noise = Handshake(
        suite.noise_protocol, suite.pattern("NK"), False, prologue, random=random, static=static
    )
    challenge = noise.read_message(message1)
    if len(challenge) != CHALLENGE_BYTES:
        raise MalformedMessage("The challenge is not 32 bytes long.")
    message2 = noise.write_message(challenge)
    return message2, session_keys(session_id, suite, noise.split())
