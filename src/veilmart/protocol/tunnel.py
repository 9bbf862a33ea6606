"""Records of a session: requests and answers, sealed, padded, bound to each other.

docs/protocol/04-sessions.md, section 4. A request is session id (16) ‖ nonce (24) ‖ sealed; an
answer is nonce (24) ‖ sealed, with the request's hash as associated data. Plaintexts are whole
1 KiB cells. Every record has a fresh random nonce: a request that is sent again is answered anew.

Order is enforced by objects: an answer can only be opened by the `PendingRequest` that asked, and
only be sealed by the `ReceivedRequest` that was opened.
"""

from typing import Any, Generic, TypeVar

from veilmart.crypto.padding import cells, pad_message, unpad_message
from veilmart.errors import (
    MalformedMessage,
    Misuse,
    UnexpectedAnswer,
    VeilmartError,
    from_wire,
)
from veilmart.limits import BODY_MAX_BYTES, CELL_BYTES
from veilmart.protocol import labels
from veilmart.protocol.encoding import Message, Natural, decode, encode, labelled_hash
from veilmart.protocol.handshake import SESSION_ID_BYTES, SessionKeys
from veilmart.protocol.ports import Random

K = TypeVar("K")

NONCE_BYTES = 24
TAG_BYTES = 32
LENGTH_BYTES = 4
RECORD_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES
# With four bytes a character a refusal still fits into one cell.
REFUSAL_DETAIL_MAX_CHARACTERS = 200


class Refused(Message, tag="refused", tag_field="kind", frozen=True):
    """The answer to a request that a rule said no to; padded like the answer it replaces."""

    code: Natural
    detail: str


def cells_for(body_bytes: int) -> int:
    """The number of 1 KiB cells that hold a body of this length and its length field."""
    return cells(body_bytes + LENGTH_BYTES)


def record_session(record: bytes) -> bytes:
    """The session id in front of a request record. Raises MalformedMessage."""
    if len(record) < SESSION_ID_BYTES + RECORD_OVERHEAD_BYTES + CELL_BYTES:
        raise MalformedMessage("A request record is cut short.")
    return record[:SESSION_ID_BYTES]


def _request_hash(record: bytes) -> bytes:
    return labelled_hash(labels.REQUEST, record)


def _check_cells(sealed_bytes: int) -> None:
    if sealed_bytes <= TAG_BYTES or (sealed_bytes - TAG_BYTES) % CELL_BYTES:
        raise MalformedMessage("A record is not made of whole cells.")


class PendingRequest:
    """A request on its way; the only thing that can open its answer. Use once."""

    def __init__(
        self, keys: SessionKeys, message: Message, request_cells: int, random: Random
    ) -> None:
        nonce = random(NONCE_BYTES)
        body = encode(message)
        sealed = keys.suite.cipher.seal(
            keys.request_key,
            labels.USE_REQUEST,
            nonce,
            keys.session_id,
            pad_message(body, max(request_cells, cells_for(len(body)))),
        )
        self.record = keys.session_id + nonce + sealed
        self._keys = keys
        self._open = True

    def open_answer(self, kind: type[K], record: bytes) -> K:
        """The answer, of `kind`.

        Raises the refusal that the other side named, OpenFailed, MalformedMessage or
        UnexpectedAnswer; Misuse when called a second time after success.
        """
        if not self._open:
            raise Misuse("An answer was opened twice.")
        if len(record) > BODY_MAX_BYTES:
            raise MalformedMessage("An answer is too long.")
        nonce, sealed = record[:NONCE_BYTES], record[NONCE_BYTES:]
        _check_cells(len(sealed))
        padded = self._keys.suite.cipher.open(
            self._keys.answer_key,
            labels.USE_ANSWER,
            nonce,
            _request_hash(self.record),
            sealed,
        )
        self._open = False
        # Any: mypy has no type for a union of classes that is passed as a value.
        kinds: Any = kind | Refused
        answer = decode(kinds, unpad_message(padded), BODY_MAX_BYTES)
        if isinstance(answer, Refused):
            raise from_wire(answer.code, answer.detail)
        return expect(kind, answer)


class ReceivedRequest(Generic[K]):
    """A request that opened; the only thing that can seal its answer. Use once."""

    # Any: the same holds for the union of what may come.
    def __init__(self, keys: SessionKeys, kinds: Any, record: bytes, max_bytes: int) -> None:
        """kinds: the messages that may come, all of them `K`.

        Raises OpenFailed or MalformedMessage; neither closes nor advances the session."""
        if record_session(record) != keys.session_id:
            raise MalformedMessage("A request record names another session.")
        nonce = record[SESSION_ID_BYTES : SESSION_ID_BYTES + NONCE_BYTES]
        sealed = record[SESSION_ID_BYTES + NONCE_BYTES :]
        _check_cells(len(sealed))
        padded = keys.suite.cipher.open(
            keys.request_key, labels.USE_REQUEST, nonce, keys.session_id, sealed
        )
        self.message: K = decode(kinds, unpad_message(padded), max_bytes)
        self._keys = keys
        self._hash = _request_hash(record)
        self._open = True

    def seal_answer(self, message: Message, answer_cells: int, random: Random) -> bytes:
        """The answer's record. Raises Misuse on a second call."""
        if not self._open:
            raise Misuse("A request was answered twice.")
        self._open = False
        nonce = random(NONCE_BYTES)
        body = encode(message)
        sealed = self._keys.suite.cipher.seal(
            self._keys.answer_key,
            labels.USE_ANSWER,
            nonce,
            self._hash,
            pad_message(body, max(answer_cells, cells_for(len(body)))),
        )
        return nonce + sealed


def refusal(error: VeilmartError) -> Refused:
    """What crosses the wire of an error: its code and its detail, which holds no secret."""
    return Refused(code=error.code, detail=error.detail[:REFUSAL_DETAIL_MAX_CHARACTERS])


def expect(kind: type[K], answer: object) -> K:
    """The answer if it is of `kind`. Raises UnexpectedAnswer."""
    if not isinstance(answer, kind):
        raise UnexpectedAnswer
    return answer
