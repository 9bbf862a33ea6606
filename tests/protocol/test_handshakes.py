"""Customer-broker and customer-merchant handshakes (docs/protocol/04-sessions.md, 4.1 and 4.2)."""

from collections.abc import Callable

import pytest

from tests.protocol.protocol_samples import (
    SUITE_IDS,
    SUITES,
    bad_values,
    flipped,
    make_session,
    seeded,
    tunnel_prologue,
)
from veilmart.crypto.noise import Handshake
from veilmart.crypto.suite import Suite
from veilmart.errors import (
    BadPublicValue,
    HandshakeFailed,
    MalformedMessage,
    Misuse,
    PeerFault,
)
from veilmart.protocol import labels
from veilmart.protocol.handshake import (
    CertifiedInitiator,
    SessionKeys,
    answer_certified,
    prologue,
)

SESSION = b"s" * 16
HASH = b"d" * 32

pytestmark = pytest.mark.parametrize("suite", SUITES, ids=SUITE_IDS)


def initiator(suite: Suite, public: bytes, beginning: bytes | None = None) -> CertifiedInitiator:
    chosen = tunnel_prologue(suite, SESSION, HASH) if beginning is None else beginning
    return CertifiedInitiator(suite, chosen, public, seeded(2))


def answer(
    suite: Suite, message1: bytes, beginning: bytes | None = None
) -> tuple[bytes, SessionKeys]:
    chosen = tunnel_prologue(suite, SESSION, HASH) if beginning is None else beginning
    static = suite.dh.generate(seeded(1))
    return answer_certified(suite, chosen, static, SESSION, message1, seeded(3))


def public_of(suite: Suite) -> bytes:
    return suite.dh.generate(seeded(1)).public


def test_both_ends_have_the_same_keys(suite: Suite) -> None:
    ends = make_session(suite)
    assert ends.initiator == ends.responder
    keys = ends.initiator
    secrets = [keys.request_key, keys.answer_key, keys.exporter, keys.handshake_hash]
    assert [len(secret) for secret in secrets] == [32] * 4
    assert len(set(secrets)) == 4
    assert keys.session_fingerprint == ends.responder.session_fingerprint
    assert len(keys.session_fingerprint) == 16


def test_two_sessions_share_nothing(suite: Suite) -> None:
    one, other = make_session(suite, 1).initiator, make_session(suite, 2).initiator
    assert one.request_key != other.request_key
    assert one.answer_key != other.answer_key
    assert one.exporter != other.exporter
    assert one.handshake_hash != other.handshake_hash


def test_keys_do_not_show_in_the_repr(suite: Suite) -> None:
    keys = make_session(suite).initiator
    text = repr(keys)
    for secret in (keys.request_key, keys.answer_key, keys.exporter):
        assert repr(secret) not in text


def test_wrong_static_key(suite: Suite) -> None:
    """The responder does not hold the key that the descriptor certifies."""
    certified = suite.dh.generate(seeded(9)).public
    message1 = initiator(suite, certified).message1
    with pytest.raises(HandshakeFailed):
        answer(suite, message1)


def test_a_responder_without_the_static_key_cannot_answer(suite: Suite) -> None:
    """Somebody in the middle makes up message 2 from keys of its own."""
    customer = initiator(suite, public_of(suite))
    in_the_middle = initiator(suite, suite.dh.generate(seeded(7)).public)
    forged, _ = answer_certified(
        suite,
        tunnel_prologue(suite, SESSION, HASH),
        suite.dh.generate(seeded(7)),
        SESSION,
        in_the_middle.message1,
        seeded(8),
    )
    with pytest.raises(HandshakeFailed):
        customer.finish(SESSION, forged)


@pytest.mark.parametrize("echo", [bytes(32), b"", b"x" * 31], ids=["zeros", "empty", "short"])
def test_challenge_not_echoed(suite: Suite, echo: bytes) -> None:
    customer = initiator(suite, public_of(suite))
    noise = Handshake(
        suite.noise_protocol,
        suite.pattern("NK"),
        False,
        tunnel_prologue(suite, SESSION, HASH),
        random=seeded(3),
        static=suite.dh.generate(seeded(1)),
    )
    noise.read_message(customer.message1)
    with pytest.raises(HandshakeFailed):
        customer.finish(SESSION, noise.write_message(echo))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_challenge_of_another_length_is_refused(suite: Suite, length: int) -> None:
    noise = Handshake(
        suite.noise_protocol,
        suite.pattern("NK"),
        True,
        tunnel_prologue(suite, SESSION, HASH),
        random=seeded(3),
        remote_static=public_of(suite),
    )
    with pytest.raises(MalformedMessage):
        answer(suite, noise.write_message(bytes(length)))


CHANGED: dict[str, Callable[[Suite], bytes]] = {
    "another-request-number": lambda suite: tunnel_prologue(suite, b"t" * 16, HASH),
    "another-descriptor": lambda suite: tunnel_prologue(suite, SESSION, b"e" * 32),
    "another-link": lambda suite: prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, HASH, SESSION),
    "another-suite": lambda suite: prologue(
        labels.PROLOGUE_CUSTOMER_MERCHANT,
        next(other for other in SUITES if other.id != suite.id),
        HASH,
        SESSION,
    ),
    "nothing": lambda suite: b"",
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_prologue_that_differs_ends_the_handshake(suite: Suite, change: str) -> None:
    message1 = initiator(suite, public_of(suite)).message1
    with pytest.raises(HandshakeFailed):
        answer(suite, message1, CHANGED[change](suite))


def test_a_changed_bit_anywhere_in_message_1_is_noticed(suite: Suite) -> None:
    message1 = initiator(suite, public_of(suite)).message1
    for index in range(0, len(message1), 29):
        with pytest.raises((HandshakeFailed, BadPublicValue)):
            answer(suite, flipped(message1, index))


def test_a_changed_bit_anywhere_in_message_2_is_noticed(suite: Suite) -> None:
    message2, _ = answer(suite, initiator(suite, public_of(suite)).message1)
    for index in range(0, len(message2), 29):
        with pytest.raises((HandshakeFailed, BadPublicValue)):
            initiator(suite, public_of(suite)).finish(SESSION, flipped(message2, index))


def test_cut_and_extended_messages_are_noticed(suite: Suite) -> None:
    message1 = initiator(suite, public_of(suite)).message1
    for length in range(0, len(message1), 61):
        with pytest.raises(PeerFault):
            answer(suite, message1[:length])
    with pytest.raises(HandshakeFailed):
        answer(suite, message1 + b"\0")
    message2, _ = answer(suite, message1)
    for length in range(0, len(message2), 61):
        with pytest.raises(PeerFault):
            initiator(suite, public_of(suite)).finish(SESSION, message2[:length])


def test_a_bad_ephemeral_of_the_customer(suite: Suite) -> None:
    message1 = initiator(suite, public_of(suite)).message1
    for value in bad_values(suite):
        with pytest.raises(BadPublicValue):
            answer(suite, value + message1[len(value) :])


def test_a_bad_ephemeral_of_the_responder(suite: Suite) -> None:
    message2, _ = answer(suite, initiator(suite, public_of(suite)).message1)
    for value in bad_values(suite):
        with pytest.raises(BadPublicValue):
            initiator(suite, public_of(suite)).finish(SESSION, value + message2[len(value) :])


def test_a_bad_static_key_in_the_descriptor(suite: Suite) -> None:
    for value in [*bad_values(suite), b"", bytes(31), bytes(385)]:
        with pytest.raises(BadPublicValue):
            initiator(suite, value)


def test_message_2_given_back_as_message_1(suite: Suite) -> None:
    message2, _ = answer(suite, initiator(suite, public_of(suite)).message1)
    with pytest.raises(PeerFault):
        answer(suite, message2)


def test_message_1_reflected_as_message_2(suite: Suite) -> None:
    customer = initiator(suite, public_of(suite))
    with pytest.raises(PeerFault):
        customer.finish(SESSION, customer.message1)


def test_an_initiator_finishes_once(suite: Suite) -> None:
    customer = initiator(suite, public_of(suite))
    message2, _ = answer(suite, customer.message1)
    customer.finish(SESSION, message2)
    with pytest.raises(Misuse):
        customer.finish(SESSION, message2)


def test_the_fresh_challenge_makes_an_old_message_2_useless(suite: Suite) -> None:
    message2, _ = answer(suite, initiator(suite, public_of(suite)).message1)
    later = CertifiedInitiator(
        suite, tunnel_prologue(suite, SESSION, HASH), public_of(suite), seeded(99)
    )
    with pytest.raises(HandshakeFailed):
        later.finish(SESSION, message2)
