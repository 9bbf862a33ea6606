"""The broker-merchant handshake (docs/protocol/04, 4.3): RSA both ways over Noise NN."""

from collections.abc import Callable

import pytest

from tests.protocol.protocol_samples import SUITE_IDS, SUITES, bad_values, flipped, seeded
from veilmart.crypto import identity
from veilmart.crypto.identity import IdentityKey
from veilmart.crypto.noise import Handshake
from veilmart.crypto.suite import Suite
from veilmart.errors import (
    BadPublicValue,
    HandshakeFailed,
    MalformedMessage,
    Misuse,
    PeerFault,
    SignatureInvalid,
)
from veilmart.protocol import labels
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.link import (
    LinkInitiator,
    answer_link,
    check_proof,
    link_prologue,
    transcript,
)

SESSION = b"l" * 16
SIGNATURE_BYTES = 384

pytestmark = pytest.mark.parametrize("suite", SUITES, ids=SUITE_IDS)


class Parties:
    """The two identities, and handshakes between holders of any keys."""

    def __init__(self, broker: IdentityKey, merchant: IdentityKey) -> None:
        self.broker_key, self.merchant_key = broker, merchant
        self.broker_spki = identity.public_spki(broker)
        self.merchant_spki = identity.public_spki(merchant)
        self.broker = identity.fingerprint(self.broker_spki)
        self.merchant = identity.fingerprint(self.merchant_spki)

    def initiator(self, suite: Suite, seed: int = 1) -> LinkInitiator:
        return LinkInitiator(suite, self.broker, self.merchant, seeded(seed))

    def answer(
        self, suite: Suite, message1: bytes, key: IdentityKey | None = None, seed: int = 2
    ) -> tuple[bytes, SessionKeys]:
        return answer_link(
            suite,
            self.broker,
            self.merchant,
            self.merchant_key if key is None else key,
            SESSION,
            message1,
            seeded(seed),
        )

    def check(self, keys: SessionKeys, signature: bytes) -> None:
        check_proof(keys, self.broker, self.merchant, self.broker_spki, signature)


@pytest.fixture(scope="module")
def parties(broker_identity: IdentityKey, merchant_identity: IdentityKey) -> Parties:
    return Parties(broker_identity, merchant_identity)


def test_an_honest_link(suite: Suite, parties: Parties) -> None:
    initiator = parties.initiator(suite)
    message2, theirs = parties.answer(suite, initiator.message1)
    ours = initiator.finish(message2, parties.merchant_spki)
    assert ours == theirs
    assert ours.session_id == SESSION
    parties.check(theirs, initiator.proof(ours, parties.broker_key))


def test_the_merchant_lacks_its_identity_key(
    suite: Suite, parties: Parties, stranger_identity: IdentityKey
) -> None:
    initiator = parties.initiator(suite)
    message2, _ = parties.answer(suite, initiator.message1, stranger_identity)
    with pytest.raises(SignatureInvalid):
        initiator.finish(message2, parties.merchant_spki)


def test_the_broker_lacks_its_identity_key(
    suite: Suite, parties: Parties, stranger_identity: IdentityKey
) -> None:
    initiator = parties.initiator(suite)
    message2, theirs = parties.answer(suite, initiator.message1)
    ours = initiator.finish(message2, parties.merchant_spki)
    with pytest.raises(SignatureInvalid):
        parties.check(theirs, initiator.proof(ours, stranger_identity))


def test_swapped_keys_in_the_middle_are_caught(suite: Suite, parties: Parties) -> None:
    """Two handshakes, one with each side; the merchant's true signature is passed on."""
    broker_side = parties.initiator(suite, seed=1)
    middle_to_merchant = parties.initiator(suite, seed=5)
    from_merchant, merchant_keys = parties.answer(suite, middle_to_merchant.message1)
    true_signature = from_merchant[-SIGNATURE_BYTES:]
    noise = Handshake(
        suite.noise_protocol,
        suite.pattern("NN"),
        False,
        link_prologue(suite, parties.broker, parties.merchant),
        random=seeded(6),
    )
    noise.read_message(broker_side.message1)
    forged = noise.write_message(SESSION) + true_signature
    with pytest.raises(SignatureInvalid):
        broker_side.finish(forged, parties.merchant_spki)
    # The other half: the broker's true proof of its own session proves nothing in the merchant's.
    honest = parties.initiator(suite, seed=7)
    message2, _ = parties.answer(suite, honest.message1)
    proof = honest.proof(honest.finish(message2, parties.merchant_spki), parties.broker_key)
    with pytest.raises(SignatureInvalid):
        parties.check(merchant_keys, proof)


def test_swapped_roles(suite: Suite, parties: Parties) -> None:
    """The merchant answers as if the fingerprints stood the other way round."""
    initiator = parties.initiator(suite)
    swapped = LinkInitiator(suite, parties.merchant, parties.broker, seeded(1))
    message2, _ = answer_link(
        suite,
        parties.merchant,
        parties.broker,
        parties.merchant_key,
        SESSION,
        swapped.message1,
        seeded(2),
    )
    with pytest.raises(HandshakeFailed):
        initiator.finish(message2, parties.merchant_spki)


@pytest.mark.parametrize("label", [labels.LINK_BROKER, labels.DESCRIPTOR])
def test_the_merchant_signs_under_another_label(suite: Suite, parties: Parties, label: str) -> None:
    initiator = parties.initiator(suite)
    message2, keys = parties.answer(suite, initiator.message1)
    data = transcript(keys, parties.broker, parties.merchant)
    forged = message2[:-SIGNATURE_BYTES] + identity.sign_pss(parties.merchant_key, label, data)
    with pytest.raises(SignatureInvalid):
        initiator.finish(forged, parties.merchant_spki)


@pytest.mark.parametrize("label", [labels.LINK_MERCHANT, labels.DESCRIPTOR])
def test_the_broker_signs_under_another_label(suite: Suite, parties: Parties, label: str) -> None:
    _, keys = parties.answer(suite, parties.initiator(suite).message1)
    data = transcript(keys, parties.broker, parties.merchant)
    with pytest.raises(SignatureInvalid):
        parties.check(keys, identity.sign_pss(parties.broker_key, label, data))


def test_the_merchants_own_signature_given_back(suite: Suite, parties: Parties) -> None:
    message2, keys = parties.answer(suite, parties.initiator(suite).message1)
    with pytest.raises(SignatureInvalid):
        parties.check(keys, message2[-SIGNATURE_BYTES:])


def test_a_proof_of_an_earlier_session(suite: Suite, parties: Parties) -> None:
    earlier = parties.initiator(suite, seed=1)
    message2, _ = parties.answer(suite, earlier.message1)
    old_proof = earlier.proof(earlier.finish(message2, parties.merchant_spki), parties.broker_key)
    _, keys = parties.answer(suite, parties.initiator(suite, seed=3).message1, seed=4)
    with pytest.raises(SignatureInvalid):
        parties.check(keys, old_proof)


@pytest.mark.parametrize("which", ["broker", "merchant"])
def test_the_transcript_names_both_parties(suite: Suite, parties: Parties, which: str) -> None:
    _, keys = parties.answer(suite, parties.initiator(suite).message1)
    names = {"broker": parties.broker, "merchant": parties.merchant, which: b"?" * 32}
    data = transcript(keys, names["broker"], names["merchant"])
    with pytest.raises(SignatureInvalid):
        parties.check(keys, identity.sign_pss(parties.broker_key, labels.LINK_BROKER, data))


CHANGED: dict[str, Callable[[Parties], tuple[bytes, bytes]]] = {
    "another-broker": lambda parties: (b"?" * 32, parties.merchant),
    "another-merchant": lambda parties: (parties.broker, b"?" * 32),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_prologue_that_differs_ends_the_handshake(
    suite: Suite, parties: Parties, change: str
) -> None:
    initiator = parties.initiator(suite)
    broker, merchant = CHANGED[change](parties)
    message2, _ = answer_link(
        suite, broker, merchant, parties.merchant_key, SESSION, initiator.message1, seeded(2)
    )
    with pytest.raises(HandshakeFailed):
        initiator.finish(message2, parties.merchant_spki)


def test_a_changed_bit_anywhere_in_message_2_is_noticed(suite: Suite, parties: Parties) -> None:
    initiator = parties.initiator(suite)
    message2, _ = parties.answer(suite, initiator.message1)
    for index in range(0, len(message2), 53):
        with pytest.raises((HandshakeFailed, BadPublicValue, SignatureInvalid)):
            parties.initiator(suite).finish(flipped(message2, index), parties.merchant_spki)


def test_a_changed_bit_in_message_1_is_noticed_by_the_broker(
    suite: Suite, parties: Parties
) -> None:
    """NN's first message is in the clear: the merchant may not see it, the signature does."""
    message1 = parties.initiator(suite).message1
    for index in range(0, len(message1), 101):
        with pytest.raises((HandshakeFailed, BadPublicValue, SignatureInvalid)):
            message2, _ = parties.answer(suite, flipped(message1, index))
            parties.initiator(suite).finish(message2, parties.merchant_spki)


def test_cut_messages_are_noticed(suite: Suite, parties: Parties) -> None:
    message1 = parties.initiator(suite).message1
    message2, _ = parties.answer(suite, message1)
    for length in range(0, len(message1), 97):
        with pytest.raises(PeerFault):
            parties.answer(suite, message1[:length])
    for length in range(0, len(message2), 97):
        with pytest.raises(PeerFault):
            parties.initiator(suite).finish(message2[:length], parties.merchant_spki)


def test_a_payload_in_message_1_is_refused(suite: Suite, parties: Parties) -> None:
    with pytest.raises(MalformedMessage):
        parties.answer(suite, parties.initiator(suite).message1 + b"\0")


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_session_id_of_another_length(suite: Suite, parties: Parties, length: int) -> None:
    initiator = parties.initiator(suite)
    message2, _ = answer_link(
        suite,
        parties.broker,
        parties.merchant,
        parties.merchant_key,
        bytes(length),
        initiator.message1,
        seeded(2),
    )
    with pytest.raises(MalformedMessage):
        initiator.finish(message2, parties.merchant_spki)


def test_bad_public_values(suite: Suite, parties: Parties) -> None:
    message1 = parties.initiator(suite).message1
    message2, _ = parties.answer(suite, message1)
    for value in bad_values(suite):
        with pytest.raises(BadPublicValue):
            parties.answer(suite, value + message1[len(value) :])
        with pytest.raises(BadPublicValue):
            parties.initiator(suite).finish(value + message2[len(value) :], parties.merchant_spki)


def test_an_initiator_finishes_once(suite: Suite, parties: Parties) -> None:
    initiator = parties.initiator(suite)
    message2, _ = parties.answer(suite, initiator.message1)
    initiator.finish(message2, parties.merchant_spki)
    with pytest.raises(Misuse):
        initiator.finish(message2, parties.merchant_spki)
