"""Records of a session (docs/protocol/04-sessions.md, 4.4): sealed, padded, bound to each other."""

import pytest

from tests.protocol.protocol_samples import SUITE_IDS, SUITES, Ends, flipped, make_session, seeded
from veilmart.crypto.padding import pad_message
from veilmart.crypto.suite import Suite
from veilmart.errors import (
    MalformedMessage,
    MessageTooLarge,
    Misuse,
    OpenFailed,
    OrderUnknown,
    PeerFault,
    SerialLower,
    UnexpectedAnswer,
    VeilmartError,
)
from veilmart.limits import BODY_MAX_BYTES, REQUEST_MAX_BYTES
from veilmart.protocol import labels
from veilmart.protocol.customer_messages import (
    Account,
    CustomerRequest,
    GetAccount,
    GetMerchants,
    OrderStatus,
    Relay,
    Start,
    Welcome,
)
from veilmart.protocol.encoding import Message, encode, labelled_hash
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.tunnel import (
    PendingRequest,
    ReceivedRequest,
    Refused,
    cells_for,
    expect,
    record_session,
    refusal,
)

ANSWER = Account(username="ada", balance=9500)


@pytest.fixture(scope="module", params=SUITES, ids=SUITE_IDS)
def ends(request: pytest.FixtureRequest) -> Ends:
    return make_session(request.param)


def ask(ends: Ends, seed: int = 20, message: Message | None = None) -> PendingRequest:
    return PendingRequest(
        ends.initiator, GetAccount() if message is None else message, 1, seeded(seed)
    )


def receive(ends: Ends, record: bytes, keys: SessionKeys | None = None) -> ReceivedRequest:
    return ReceivedRequest(
        ends.responder if keys is None else keys, CustomerRequest, record, REQUEST_MAX_BYTES
    )


def answer(ends: Ends, record: bytes, message: Message = ANSWER, seed: int = 30) -> bytes:
    return receive(ends, record).seal_answer(message, 1, seeded(seed))


def test_asked_and_answered(ends: Ends) -> None:
    pending = ask(ends)
    received = receive(ends, pending.record)
    assert received.message == GetAccount()
    record = received.seal_answer(ANSWER, 1, seeded(30))
    assert pending.open_answer(Account, record) == ANSWER


def test_lengths_are_those_of_whole_cells(ends: Ends) -> None:
    for request_cells, answer_cells in ((1, 1), (1, 4), (3, 2)):
        pending = PendingRequest(ends.initiator, Start(), request_cells, seeded(1))
        assert len(pending.record) == 16 + 24 + 1024 * request_cells + 32
        record = receive(ends, pending.record).seal_answer(ANSWER, answer_cells, seeded(2))
        assert len(record) == 24 + 1024 * answer_cells + 32


def test_the_record_says_only_its_session(ends: Ends) -> None:
    record = ask(ends).record
    assert record_session(record) == ends.initiator.session_id
    assert encode(GetAccount()) not in record


def test_what_does_not_fit_takes_the_smallest_number_of_cells(ends: Ends) -> None:
    for body in (900, 1000, 2000, 60_000):
        message = Relay(request_number=bytes(16), record=bytes(body))
        pending = PendingRequest(ends.initiator, message, 1, seeded(1))
        assert len(pending.record) == 16 + 24 + 1024 * cells_for(len(encode(message))) + 32
        assert receive(ends, pending.record).message == message
    long_name = Account(username="a" * 5000, balance=1)
    pending = ask(ends)
    assert len(answer(ends, pending.record, long_name)) == 24 + 5 * 1024 + 32


def test_a_replayed_request_is_answered_anew_under_another_nonce(ends: Ends) -> None:
    pending = ask(ends)
    first = answer(ends, pending.record, seed=30)
    second = answer(ends, pending.record, seed=31)
    assert first[:24] != second[:24]
    assert first[24:] != second[24:]
    assert pending.open_answer(Account, second) == ANSWER


def test_a_changed_bit_anywhere_in_a_request_is_noticed(ends: Ends) -> None:
    record = ask(ends).record
    regions = [0, 15, 16, 39, 40, 43, 44, 60, 500, 1063, 1064, len(record) - 1]
    for index in regions + list(range(0, len(record), 37)):
        with pytest.raises((OpenFailed, MalformedMessage)) as caught:
            receive(ends, flipped(record, index, index % 8))
        assert (type(caught.value) is MalformedMessage) == (index < 16)


def test_a_changed_bit_anywhere_in_an_answer_is_noticed(ends: Ends) -> None:
    pending = ask(ends)
    record = answer(ends, pending.record)
    for index in [0, 23, 24, 27, 28, 1047, 1048, *range(0, len(record), 37), len(record) - 1]:
        with pytest.raises(OpenFailed):
            pending.open_answer(Account, flipped(record, index, index % 8))
    assert pending.open_answer(Account, record) == ANSWER


def test_truncated_and_cut_cells(ends: Ends) -> None:
    pending = PendingRequest(ends.initiator, GetAccount(), 2, seeded(1))
    record = answer(ends, pending.record)
    for length in [0, 1, 15, 16, 40, 71, 72, 1095, *range(73, len(pending.record), 61)]:
        with pytest.raises(MalformedMessage):
            receive(ends, pending.record[:length])
    for length in [0, 1, 24, 55, 56, *range(57, len(record), 61)]:
        with pytest.raises(MalformedMessage):
            pending.open_answer(Account, record[:length])
    with pytest.raises(OpenFailed):  # a whole cell less
        receive(ends, pending.record[: 16 + 24 + 1024 + 32])
    for extra in (1, 1023):
        with pytest.raises(MalformedMessage):
            receive(ends, pending.record + bytes(extra))
    with pytest.raises(OpenFailed):  # a whole cell more
        pending.open_answer(Account, record + bytes(1024))


def test_an_oversized_answer_is_refused_before_it_is_opened(ends: Ends) -> None:
    with pytest.raises(MalformedMessage):
        ask(ends).open_answer(Account, bytes(BODY_MAX_BYTES + 1))


def test_an_oversized_request_is_refused(ends: Ends) -> None:
    big = PendingRequest(
        ends.initiator, Relay(request_number=bytes(16), record=bytes(5000)), 1, seeded(1)
    )
    with pytest.raises(MessageTooLarge):
        ReceivedRequest(ends.responder, CustomerRequest, big.record, 4096)


def test_the_answer_to_another_request_is_refused(ends: Ends) -> None:
    """Answers to A and B, equal in every byte but the binding, are given to each other's asker."""
    first, second = ask(ends, seed=1), ask(ends, seed=2)
    to_first, to_second = answer(ends, first.record), answer(ends, second.record)
    with pytest.raises(OpenFailed):
        first.open_answer(Account, to_second)
    with pytest.raises(OpenFailed):
        second.open_answer(Account, to_first)
    assert first.open_answer(Account, to_first) == ANSWER
    assert second.open_answer(Account, to_second) == ANSWER


def test_a_record_of_another_session(ends: Ends) -> None:
    suite = ends.initiator.suite
    same_name = make_session(suite, seed=77)
    other_name = make_session(suite, seed=78, session_id=b"z" * 16)
    record = ask(ends).record
    with pytest.raises(OpenFailed):
        receive(ends, record, same_name.responder)
    with pytest.raises(MalformedMessage):
        receive(ends, record, other_name.responder)
    with pytest.raises(OpenFailed):  # renamed on the way
        receive(ends, b"z" * 16 + record[16:], other_name.responder)
    pending = ask(same_name)
    with pytest.raises(OpenFailed):
        pending.open_answer(Account, answer(ends, record))


def test_a_request_reflected_as_its_answer(ends: Ends) -> None:
    pending = ask(ends)
    with pytest.raises(OpenFailed):
        pending.open_answer(Account, pending.record[16:])


def test_an_answer_reflected_as_a_request(ends: Ends) -> None:
    record = answer(ends, ask(ends).record)
    with pytest.raises(OpenFailed):
        receive(ends, ends.responder.session_id + record)


def test_second_use_is_misuse(ends: Ends) -> None:
    pending = ask(ends)
    received = receive(ends, pending.record)
    record = received.seal_answer(ANSWER, 1, seeded(1))
    with pytest.raises(Misuse):
        received.seal_answer(ANSWER, 1, seeded(2))
    pending.open_answer(Account, record)
    with pytest.raises(Misuse):
        pending.open_answer(Account, record)


def test_junk_does_not_use_up_the_question(ends: Ends) -> None:
    pending = ask(ends)
    for junk in (b"", bytes(100), bytes(24 + 1024 + 32)):
        with pytest.raises((OpenFailed, MalformedMessage)):
            pending.open_answer(Account, junk)
    assert pending.open_answer(Account, answer(ends, pending.record)) == ANSWER


def test_a_refusal_arrives_as_the_error_it_names(ends: Ends) -> None:
    pending = ask(ends)
    record = answer(ends, pending.record, refusal(OrderUnknown("No such order.")))
    with pytest.raises(OrderUnknown) as caught:
        pending.open_answer(Account, record)
    assert caught.value.detail == "No such order."


def test_a_refusal_is_as_long_as_the_answer_it_replaces(ends: Ends) -> None:
    longest = refusal(OrderUnknown("\U0001f512" * 5000))
    assert len(answer(ends, ask(ends).record, longest)) == len(answer(ends, ask(ends).record))


@pytest.mark.parametrize("code", [0, 1000, 1101, 5103, SerialLower.code, 9999, 2**53 - 1])
def test_a_code_that_may_not_cross_the_wire(ends: Ends, code: int) -> None:
    pending = ask(ends)
    record = answer(ends, pending.record, Refused(code=code, detail=""))
    with pytest.raises(UnexpectedAnswer):
        pending.open_answer(Account, record)


def test_another_kind_of_answer_is_refused(ends: Ends) -> None:
    pending = ask(ends)
    with pytest.raises(MalformedMessage):
        pending.open_answer(Welcome, answer(ends, pending.record))
    with pytest.raises(UnexpectedAnswer):
        expect(OrderStatus, ANSWER)


def seal_as_customer(ends: Ends, padded: bytes) -> bytes:
    """A record with a true tag over a plaintext that no honest customer would send."""
    keys = ends.initiator
    nonce = b"n" * 24
    sealed = keys.suite.cipher.seal(
        keys.request_key, labels.USE_REQUEST, nonce, keys.session_id, padded
    )
    return keys.session_id + nonce + sealed


PLAINTEXTS: dict[str, tuple[bytes, type[VeilmartError]]] = {
    "filler-not-zero": (pad_message(encode(Start()), 1)[:-1] + b"\1", MalformedMessage),
    "longer-than-its-cell": (b"\xff\xff\xff\xff" + bytes(1020), MalformedMessage),
    "empty-message": (bytes(1024), MalformedMessage),
    "unknown-kind": (pad_message(b"\x81\xa4kind\xa4kick", 1), MalformedMessage),
    "no-kind": (pad_message(encode({"after": b""}), 1), MalformedMessage),
    "answer-instead-of-request": (pad_message(encode(ANSWER), 1), MalformedMessage),
    "byte-after-the-message": (pad_message(encode(Start()) + b"\0", 1), MalformedMessage),
    "field-missing": (pad_message(encode({"kind": "merchants"}), 1), MalformedMessage),
}


@pytest.mark.parametrize("name", PLAINTEXTS)
def test_a_hostile_plaintext(ends: Ends, name: str) -> None:
    padded, expected = PLAINTEXTS[name]
    with pytest.raises(PeerFault) as caught:
        receive(ends, seal_as_customer(ends, padded))
    assert type(caught.value) is expected


def test_the_answer_is_bound_by_the_hash_of_the_page(ends: Ends) -> None:
    """Seal an answer from the text of page 4 alone and let the code open it."""
    pending = ask(ends, message=GetMerchants(after=b""))
    keys = ends.responder
    nonce = b"N" * 24
    binding = labelled_hash("veilmart 2026 request", pending.record)
    body = encode(ANSWER)
    padded = len(body).to_bytes(4, "little") + body + bytes(1020 - len(body))
    sealed = keys.suite.cipher.seal(keys.answer_key, "answer", nonce, binding, padded)
    assert pending.open_answer(Account, nonce + sealed) == ANSWER


@pytest.mark.parametrize("suite", SUITES, ids=SUITE_IDS)
def test_a_record_of_the_other_suite(suite: Suite) -> None:
    other = next(candidate for candidate in SUITES if candidate.id != suite.id)
    record = ask(make_session(suite)).record
    with pytest.raises(OpenFailed):
        receive(make_session(other), record)
