"""The broker-merchant handshake: Noise NN (NNhfs), then RSA both ways (04-sessions.md, section 3).

Message 1: Noise, from the broker. Message 2: Noise with the session id (16) as payload ‖ the
merchant's RSA-PSS signature (384) of the transcript. Message 3: the first request of the new
session, with the broker's signature. The transcript is handshake hash ‖ broker fingerprint ‖
merchant fingerprint (96 bytes); each role signs under a label of its own, so neither signature
can be given back as the other.
"""

from veilmart.crypto import identity
from veilmart.crypto.noise import Handshake
from veilmart.crypto.suite import Suite
from veilmart.errors import MalformedMessage
from veilmart.protocol import labels
from veilmart.protocol.handshake import SESSION_ID_BYTES, SessionKeys, prologue, session_keys
from veilmart.protocol.ports import Random

SIGNATURE_BYTES = 384


def link_prologue(suite: Suite, broker: bytes, merchant: bytes) -> bytes:
    """broker, merchant: fingerprints, 32 bytes each."""
    return prologue(labels.PROLOGUE_BROKER_MERCHANT, suite, broker, merchant)


def transcript(keys: SessionKeys, broker: bytes, merchant: bytes) -> bytes:
    """96 bytes that both parties sign."""
    return keys.handshake_hash + broker + merchant


class LinkInitiator:
    """The broker's side. Use once: message 1, then `finish`, then send `proof`."""

    def __init__(self, suite: Suite, broker: bytes, merchant: bytes, random: Random) -> None:
        self._suite, self._broker, self._merchant = suite, broker, merchant
        self._noise = Handshake(
            suite.noise_protocol,
            suite.pattern("NN"),
            True,
            link_prologue(suite, broker, merchant),
            random=random,
        )
        self.message1 = self._noise.write_message(b"")

    def finish(self, message2: bytes, merchant_spki: bytes) -> SessionKeys:
        """Raises SignatureInvalid, HandshakeFailed, BadPublicValue, MalformedMessage."""
        if len(message2) <= SIGNATURE_BYTES:
            raise MalformedMessage("The link's message 2 is cut short.")
        session_id = self._noise.read_message(message2[:-SIGNATURE_BYTES])
        if len(session_id) != SESSION_ID_BYTES:
            raise MalformedMessage("The link's session id is not 16 bytes long.")
        keys = session_keys(session_id, self._suite, self._noise.split())
        identity.verify_pss(
            merchant_spki,
            labels.LINK_MERCHANT,
            transcript(keys, self._broker, self._merchant),
            message2[-SIGNATURE_BYTES:],
        )
        return keys

    def proof(self, keys: SessionKeys, key: identity.IdentityKey) -> bytes:
        """The broker's signature (384 bytes) for message 3."""
        return identity.sign_pss(
            key, labels.LINK_BROKER, transcript(keys, self._broker, self._merchant)
        )


def answer_link(
    suite: Suite,
    broker: bytes,
    merchant: bytes,
    key: identity.IdentityKey,
    session_id: bytes,
    message1: bytes,
    random: Random,
) -> tuple[bytes, SessionKeys]:
    """The merchant's side: (message 2, keys of a session that is not yet authenticated)."""
    noise = Handshake(
        suite.noise_protocol,
        suite.pattern("NN"),
        False,
        link_prologue(suite, broker, merchant),
        random=random,
    )
    if noise.read_message(message1):
        raise MalformedMessage("The link's message 1 has a payload.")
    message2 = noise.write_message(session_id)
    keys = session_keys(session_id, suite, noise.split())
    signature = identity.sign_pss(key, labels.LINK_MERCHANT, transcript(keys, broker, merchant))
    return message2 + signature, keys


def check_proof(
    keys: SessionKeys, broker: bytes, merchant: bytes, broker_spki: bytes, signature: bytes
) -> None:
    """The merchant's check of message 3. Raises SignatureInvalid."""
    identity.verify_pss(
        broker_spki, labels.LINK_BROKER, transcript(keys, broker, merchant), signature
    )
