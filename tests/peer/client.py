"""Pages 4 and 5: HTTP, the handshakes, records, and the session with the broker."""

from __future__ import annotations

import http.client
import os
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from .descriptors import Descriptor, accept
from .noise import Initiator, SplitKeys
from .notation import (
    Bytes16,
    Bytes32,
    Number,
    Refused,
    cells_for,
    decode,
    encode,
    named_hash,
    pad,
    require,
    unpad,
)
from .suites import TAG, Suite

Answer = TypeVar("Answer", bound="Kind")
BODY_LIMIT = 2 * 1024 * 1024
NATURAL = 1  # the smallest number of cells that holds the message


class Kind(Struct, tag_field="kind", tag=str.lower, forbid_unknown_fields=True):
    """An answer; its `kind` is the name of its class in lower case."""


class Refusal(Kind, tag="refused"):
    """4.4, and without `kind` in 4.5."""

    code: Number
    detail: str


class HttpRefusal(Struct, forbid_unknown_fields=True):
    """The body of every HTTP status but 200."""

    code: Number
    detail: str


class Welcome(Kind):
    """5.1."""

    request_number: Bytes16
    username: str
    device: Annotated[bytes, Meta(max_length=32)]
    balance: Number


class Merchant(Kind):
    """5.2."""

    signed: bytes


class Opened(Kind):
    """5.3."""

    message: bytes
    next_request_number: Bytes16


class Payable(Struct, forbid_unknown_fields=True):
    """What the broker says is to be paid."""

    order: Bytes32
    amount: Number
    order_key: Bytes32
    pay_by: Number
    deliver_within: Number
    settle_within: Number


class Relayed(Kind):
    """5.3."""

    record: bytes
    payable: Payable | None


class Http:
    """HTTP/1.1 to one host, one connection."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=300)

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of an answer with status 200; Refused for any other (4.5)."""
        headers = {"Content-Type": "application/octet-stream"} if body is not None else {}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read(BODY_LIMIT + 1)
        require(len(content) <= BODY_LIMIT, "length of the HTTP body")
        if answer.status != http.client.OK:
            said = decode(content, HttpRefusal)
            raise Refused(said.code, said.detail)
        return content

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def prologue(label: str, suite: Suite, *parts: bytes) -> bytes:
    """Page 4, first paragraphs."""
    name = suite.name.encode()
    return b"veilmart 2026 " + label.encode() + b"\x00" + name + b"\x00" + b"".join(parts)


class Handshake:
    """NK or NKhfs with the challenge of 4.1."""

    def __init__(self, suite: Suite, start: bytes, remote: Descriptor) -> None:
        self._challenge = os.urandom(32)
        static = remote.tunnel_key(suite.number)
        self._noise = Initiator(suite, start, static, suite.new_private())
        self.message = self._noise.first(self._challenge)

    def finish(self, message: bytes) -> SplitKeys:
        """Read message 2; the other side is authenticated when this returns."""
        payload, keys = self._noise.second(message)
        require(payload == self._challenge, "challenge comes back")
        return keys


@dataclass(frozen=True, repr=False)
class Records:
    """Request and answer records of one session (4.4)."""

    suite: Suite
    session: bytes
    keys: SplitKeys

    def request(self, message: dict[str, Any], cells: int) -> bytes:
        """Session id ‖ nonce ‖ sealed, padded message."""
        nonce = os.urandom(24)
        padded = pad(encode(message), cells)
        key = self.keys.initiator
        return self.session + nonce + self.suite.seal(key, "request", nonce, self.session, padded)

    def answer(self, request: bytes, record: bytes, shape: type[Answer], cells: int) -> Answer:
        """The answer to the request record; Refused if it is a refusal."""
        nonce, sealed = record[:24], record[24:]
        ad = named_hash("request", request)
        padded = self.suite.open(self.keys.responder, "answer", nonce, ad, sealed)
        said = decode(unpad(padded, cells), shape | Refusal)  # type: ignore[arg-type]
        if isinstance(said, Refusal):
            raise Refused(said.code, said.detail)
        assert isinstance(said, shape)
        return said


class BrokerSession:
    """A customer's session with the broker (4.1) and the requests of page 5."""

    def __init__(self, http: Http, suite: Suite, fingerprint: bytes, now: int) -> None:
        self._http = http
        self.suite = suite
        signed = http.call("GET", "/v1/descriptor")
        self.broker = accept(signed, fingerprint, "broker", now)
        start = prologue("customer-broker", suite, self.broker.hash)
        handshake = Handshake(suite, start, self.broker)
        hello = bytes([suite.number]) + self.broker.hash + handshake.message
        answer = http.call("POST", "/v1/session", hello)
        keys = handshake.finish(answer[16:])
        self._records = Records(suite, answer[:16], keys)

    def ask(
        self, message: dict[str, Any], cells: int, shape: type[Answer], answer_cells: int
    ) -> Answer:
        """Send one request and read its answer."""
        answer, attachment = self._exchange(message, cells, shape, answer_cells, None)
        require(not attachment, "no attachment")
        return answer

    def ask_attached(
        self, message: dict[str, Any], shape: type[Answer], answer_cells: int = 1
    ) -> tuple[Answer, bytes]:
        """Send a request of one cell whose answer may have an attachment (4.4)."""
        return self._exchange(message, 1, shape, answer_cells, 24 + 1024 * answer_cells + TAG)

    def _exchange(
        self,
        message: dict[str, Any],
        cells: int,
        shape: type[Answer],
        answer_cells: int,
        length: int | None,
    ) -> tuple[Answer, bytes]:
        request = self._records.request(message, cells)
        body = self._http.call("POST", "/v1/request", request)
        record, attachment = (body, b"") if length is None else (body[:length], body[length:])
        return self._records.answer(request, record, shape, answer_cells), attachment

    def start(self, kind: str, username: str, password: str) -> Welcome:
        """`register`, or `login` without a device key."""
        message: dict[str, Any] = {"kind": kind, "username": username, "password": password}
        if kind == "login":
            message = message | {"device": b""}
        welcome = self.ask(message, 1, Welcome, 1)
        require(welcome.username == username, "welcome names the user")
        return welcome

    def start_anonymous(self) -> Welcome:
        """`start`: nobody is logged in."""
        return self.ask({"kind": "start"}, 1, Welcome, 1)

    def merchant(self, fingerprint: bytes, now: int) -> Descriptor:
        """The merchant's newest descriptor, checked."""
        message = {"kind": "merchant", "fingerprint": fingerprint, "serial": 0}
        signed = self.ask(message, 1, Merchant, 16).signed
        merchant = accept(signed, fingerprint, "merchant", now)
        require(self.broker.fingerprint in merchant.body.brokers, "merchant accepts the broker")
        return merchant


class Tunnel:
    """A tunnel to a merchant (4.2, 5.3)."""

    def __init__(self, session: BrokerSession, merchant: Descriptor, number: bytes) -> None:
        suite = session.suite
        start = prologue("customer-merchant", suite, merchant.hash, number)
        handshake = Handshake(suite, start, merchant)
        message = {
            "kind": "open",
            "merchant": merchant.fingerprint,
            "request_number": number,
            "suite": suite.number,
            "descriptor": merchant.hash,
            "message": handshake.message,
        }
        opened = session.ask(message, 3, Opened, 3)
        self._session = session
        self._number = number
        self._records = Records(suite, number, handshake.finish(opened.message))
        self.suite = suite
        self.merchant = merchant
        self.exporter = self._records.keys.exporter

    def ask(
        self, message: dict[str, Any], shape: type[Answer], cells: int
    ) -> tuple[Answer, Payable | None]:
        """Send a request of one cell; the answer, and what the broker says is payable."""
        record = self._records.request(message, 1)
        relay = {"kind": "relay", "request_number": self._number, "record": record}
        # The smallest `relayed` has two cells, and so has a refusal in its place.
        relayed = self._session.ask(relay, 2, Relayed, 2)
        return self._records.answer(record, relayed.record, shape, cells), relayed.payable


def natural_cells(message: dict[str, Any]) -> int:
    """How many cells this message takes by itself."""
    return cells_for(len(encode(message)))
