"""A merchant and a customer made from protocol functions only, to talk to a real broker with."""

import os
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veilmart.crypto import identity, signing
from veilmart.crypto.suite import all_suites, suite_by_id
from veilmart.errors import BrokerUnreachable, OrderUnknown, Refusal, SessionUnknown
from veilmart.limits import BODY_MAX_BYTES, CELL_BYTES
from veilmart.protocol import labels, link_messages as link
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import Relay
from veilmart.protocol.descriptor import (
    FIRST_PREVIOUS,
    Descriptor,
    Shelf,
    SignedDescriptor,
    TunnelKey,
    read_descriptor,
    sign_descriptor,
)
from veilmart.protocol.handshake import CertifiedInitiator, SessionKeys, prologue
from veilmart.protocol.link import answer_link, check_proof
from veilmart.protocol.offer import Invoice, sign_object
from veilmart.protocol.tunnel import (
    RECORD_OVERHEAD_BYTES,
    PendingRequest,
    ReceivedRequest,
    refusal,
)
from veilmart.transport.answers import answer_errors, binary_answer
from veilmart.transport.body import read_body
from veilmart.transport.client import HttpClient

START = 1_800_000_000
PRICE = 500
SHELF = Shelf(
    id=1,
    name="shelf",
    price=PRICE,
    size=1024,
    pay_within=900,
    deliver_within=3600,
    settle_within=7200,
)
SLOW_SHELF = Shelf(
    id=2,
    name="slow",
    price=PRICE,
    size=1024,
    pay_within=900,
    deliver_within=89 * 24 * 3600,
    settle_within=7200,
)
SEGMENT = b"sealed segment"


@dataclass
class Clock:
    now: int = START

    def __call__(self) -> int:
        return self.now


@dataclass
class ScriptedMerchant:
    """Answers what the broker asks; `invoice` goes with the next relayed answer."""

    key: identity.IdentityKey
    broker: bytes
    broker_spki: bytes = b""
    serial: int = 1
    invoice: bytes = b""
    segment: bytes = SEGMENT
    refuse: Exception | None = None
    asked: list[Any] = field(default_factory=list)
    reports: list[link.Report] = field(default_factory=list)
    sessions: dict[bytes, SessionKeys] = field(default_factory=dict)
    proved: set[bytes] = field(default_factory=set)
    seed: bytes = field(default_factory=lambda: os.urandom(32))
    since: int = START

    def __post_init__(self) -> None:
        self.fingerprint = identity.fingerprint(identity.public_spki(self.key))
        self.signed = self.describe(1, FIRST_PREVIOUS)

    @property
    def heard(self) -> int:
        """Sequence of the last report entry."""
        return max((e.sequence for r in self.reports for e in r.entries), default=0)

    @property
    def descriptor(self) -> SignedDescriptor:
        return read_descriptor(self.signed)

    def describe(self, serial: int, previous: bytes) -> bytes:
        descriptor = Descriptor(
            role="merchant",
            name="shop",
            identity=identity.public_spki(self.key),
            tunnel_keys=[
                TunnelKey(suite=suite.id, public=suite.dh.generate(os.urandom).public)
                for suite in all_suites()
            ],
            signing_key=signing.public_key(self.seed),
            shelves=[SHELF, SLOW_SHELF],
            price_points=[],
            currency="EUR",
            decimals=2,
            brokers=[self.broker],
            serial=serial,
            previous=previous,
            not_before=self.since,
            not_after=self.since + 7 * 24 * 3600,
            extensions={},
        )
        return sign_descriptor(descriptor, self.key)

    def renew(self) -> None:
        """A new serial with a new signing key."""
        self.seed = os.urandom(32)
        self.signed = self.describe(self.serial + 1, self.descriptor.hash)
        self.serial += 1

    def make_invoice(
        self, order_seed: bytes, order: bytes | None = None, seed: bytes | None = None, **other: Any
    ) -> tuple[bytes, bytes]:
        """(order, signed invoice)."""
        fields: dict[str, Any] = {
            "merchant": self.fingerprint,
            "broker": self.broker,
            "order": order or os.urandom(32),
            "suite": 1,
            "amount": PRICE,
            "order_key": signing.public_key(order_seed),
            "sealed_key": bytes(64),
            "pay_by": START + 900,
            "deliver_within": SHELF.deliver_within,
            "settle_within": SHELF.settle_within,
        } | other
        invoice = Invoice(**fields)
        return invoice.order, sign_object(seed or self.seed, labels.INVOICE, invoice)

    def answer(self, message: Any) -> tuple[Any, bytes]:
        """As the merchant's rules would."""
        self.asked.append(message)
        if self.refuse is not None:
            raise self.refuse
        match message:
            case link.LinkProof():
                return link.LinkReady(serial=self.serial, heard=self.heard), b""
            case link.FetchDescriptor():
                return link.LinkDescriptor(signed=self.signed), b""
            case link.TunnelOpen():
                return link.TunnelOpened(message=b"message 2", serial=self.serial), b""
            case link.TunnelRelay():
                invoice, self.invoice = self.invoice, b""
                return link.TunnelRelayed(record=message.record[::-1], invoice=invoice), b""
            case link.FetchSegment():
                return link.SegmentFollows(length=len(self.segment)), self.segment
            case link.Report():
                self.reports.append(message)
                return link.Reported(), b""
        raise OrderUnknown

    async def ask(self, merchant: bytes, message: Any, kind: type[Any]) -> tuple[Any, bytes]:
        """In place of the broker's link pool."""
        return self.answer(message)

    def asgi(self) -> Starlette:
        """The same over HTTP."""
        return Starlette(
            routes=[
                Route("/v1/link", answer_errors(self._link), methods=["POST"]),
                Route("/v1/link/request", answer_errors(self._request), methods=["POST"]),
                Route("/v1/descriptor", answer_errors(self._describe), methods=["GET"]),
            ]
        )

    async def _describe(self, request: Request) -> Response:
        return binary_answer(self.signed)

    async def _link(self, request: Request) -> Response:
        body = await read_body(request, BODY_MAX_BYTES)
        session_id = os.urandom(16)
        answer, keys = answer_link(
            suite_by_id(body[0]),
            body[1:33],
            self.fingerprint,
            self.key,
            session_id,
            body[33:],
            os.urandom,
        )
        self.sessions[session_id] = keys
        return binary_answer(answer)

    async def _request(self, request: Request) -> Response:
        record = await read_body(request, BODY_MAX_BYTES)
        keys = self.sessions.get(record[:16])
        if keys is None:
            raise SessionUnknown
        received: ReceivedRequest[Any] = ReceivedRequest(
            keys, link.LinkRequest, record, BODY_MAX_BYTES
        )
        message, attachment = received.message, b""
        if isinstance(message, link.LinkProof):
            spki = read_descriptor(message.descriptor).descriptor.identity
            check_proof(keys, self.broker, self.fingerprint, spki, message.signature)
            self.proved.add(record[:16])
        elif record[:16] not in self.proved:
            raise SessionUnknown
        try:
            answer, attachment = self.answer(message)
        except Refusal as error:
            answer = refusal(error)
        sealed = received.seal_answer(answer, message.answer_cells, os.urandom)
        return binary_answer(sealed, attachment)


class ScriptedCustomer:
    """One session with a broker over HTTP."""

    def __init__(self, port: int) -> None:
        self.http = HttpClient(f"127.0.0.1:{port}", BrokerUnreachable)
        self.keys: SessionKeys | None = None
        self.last_record = b""
        self.last_answer = b""

    async def connect(self, suite_index: int = 0) -> SessionKeys:
        signed = await self.http.get("/v1/descriptor", max_bytes=20_000)
        known = read_descriptor(signed)
        suite = all_suites()[suite_index]
        initiator = CertifiedInitiator(
            suite,
            prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, known.hash),
            known.descriptor.tunnel_key(suite),
            os.urandom,
        )
        body = bytes([suite.id]) + known.hash + initiator.message1
        answer = await self.http.post("/v1/session", body, max_bytes=20_000)
        self.keys = initiator.finish(answer[:16], answer[16:])
        return self.keys

    async def ask(self, message: BrokerRequest, kind: Any) -> Any:
        answer, _attachment = await self.ask_with_attachment(message, kind)
        return answer

    async def ask_with_attachment(self, message: BrokerRequest, kind: Any) -> tuple[Any, bytes]:
        assert self.keys is not None
        pending = PendingRequest(self.keys, message, message.cells, os.urandom)
        self.last_record = pending.record
        body = await self.http.post("/v1/request", pending.record, max_bytes=BODY_MAX_BYTES)
        cut = len(body)
        if not isinstance(message, Relay):
            cut = RECORD_OVERHEAD_BYTES + message.answer_cells * CELL_BYTES
        self.last_answer = body[:cut]
        return pending.open_answer(kind, body[:cut]), body[cut:]
