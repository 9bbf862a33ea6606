"""The broker's HTTP face: the asynchronous shell around its rules.

docs/protocol/04-sessions.md. An error outside a session is a plain typed error; inside, it is a
refusal sealed and padded like the answer it replaces.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.effects import (
    Answer,
    BlindSign,
    Examine,
    Forward,
    HashPassword,
    Look,
    VerifyPassword,
)
from veilmart.broker.events import CustomerSession, TaskFailed
from veilmart.broker.keys.descriptors import signed_by_serial
from veilmart.broker.relay.links import LinkPool
from veilmart.broker.server.dispatch import answer_request
from veilmart.broker.server.public_endpoints import PublicLists
from veilmart.broker.sessions.session import Session, expiry
from veilmart.broker.state import BrokerState
from veilmart.crypto.blind_issuer import blind_sign
from veilmart.crypto.suite import suite_by_id
from veilmart.errors import (
    AuthenticationFailed,
    DatabaseAway,
    DescriptorUnknown,
    LoginRequired,
    MalformedMessage,
    MerchantUnreachable,
    NetworkFailure,
    PeerFault,
    Refusal,
    ServerBusy,
    ServerFault,
    UnknownRequestNumber,
    VeilmartError,
)
from veilmart.limits import (
    BLIND_SIGNINGS_AT_ONCE,
    BLIND_SIGNINGS_WAITING_MAX,
    BODY_MAX_BYTES,
    EXAMINED_AT_ONCE,
    EXAMINED_WAITING_MAX,
    HANDSHAKE_MAX_BYTES,
    LONG_READS_AT_ONCE,
    REQUEST_MAX_BYTES,
)
from veilmart.protocol import labels
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import CustomerRequest, Open
from veilmart.protocol.effects import Rule, Transact
from veilmart.protocol.handshake import SESSION_ID_BYTES, answer_certified, prologue
from veilmart.protocol.perform import Performers, perform
from veilmart.protocol.tunnel import ReceivedRequest, record_session, refusal
from veilmart.storage.database.port import Database
from veilmart.transport.answers import binary_answer
from veilmart.transport.fair_work import InThreads, Turnstile
from veilmart.transport.frame_exchange import Answered, FrameExchange
from veilmart.transport.routes import Post, Routes

_HELLO_BYTES = 33
_SERIAL_DIGITS_MAX = 15

T = TypeVar("T")


class BrokerApp:
    """Performs the rules' effects; `asgi` is what a server serves."""

    def __init__(
        self,
        state: BrokerState,
        database: Database,
        links: LinkPool,
        passwords: Passwords,
        worker: tuple[int, int] = (1, 1),
    ) -> None:
        """worker: which of how many processes this is, from 1."""
        self._worker = worker
        self._state = state
        self._database = database
        self._links = links
        self._passwords = passwords
        self._performers: Performers = {
            Transact: self._transact,
            Forward: self._forward,
        }
        self._signers = InThreads(BLIND_SIGNINGS_AT_ONCE, BLIND_SIGNINGS_WAITING_MAX)
        lists = PublicLists(database, state.clock)
        self._handshakes = Turnstile()
        self._readers = InThreads(LONG_READS_AT_ONCE, EXAMINED_WAITING_MAX)
        self._examiners = InThreads(EXAMINED_AT_ONCE, EXAMINED_WAITING_MAX)
        self.asgi = Routes(
            {
                "/v1/session": Post(self._session, HANDSHAKE_MAX_BYTES),
                "/v1/request": Post(self._request, REQUEST_MAX_BYTES),
            },
            [
                ("/v1/descriptor", self._descriptor),
                ("/v1/descriptor/{serial}", self._descriptor),
                ("/v1/healthz", self._health),
                *lists.routes(),
            ],
            self._dialled,
        )

    async def perform(self, rule: Rule[T], owner: str = "") -> T:
        """Run a rule with this broker's effects. owner: of expensive ones, as in `FairTurns`."""
        expensive: Performers = {
            HashPassword: partial(self._hash, owner),
            VerifyPassword: partial(self._verify, owner),
            Examine: partial(self._examine, owner),
            Look: partial(self._look, owner),
            BlindSign: partial(self._sign, owner),
        }
        return await perform(rule, {**self._performers, **expensive})

    async def _transact(self, effect: Transact[T]) -> T:
        return await self._database.run(effect.function, *effect.args)

    async def _forward(self, effect: Forward[T]) -> tuple[T, memoryview]:
        try:
            async with asyncio.timeout(effect.within):
                return await self._links.ask(effect.merchant, effect.message, effect.kind)
        except TimeoutError:
            raise MerchantUnreachable("It did not answer in time.") from None

    async def _hash(self, owner: str, effect: HashPassword) -> str:
        return await self._passwords.hash(effect.password, owner)

    async def _verify(self, owner: str, effect: VerifyPassword) -> bool:
        return await self._passwords.verify(effect.hashed, effect.password, owner)

    async def _examine(self, owner: str, effect: Examine[T]) -> T:
        return await self._examiners.run(owner, effect.function, *effect.args)

    async def _look(self, owner: str, effect: Look[T]) -> T:
        read: Callable[..., T] = self._database.read_now
        return await self._readers.run(owner, read, effect.function, *effect.args)

    async def _sign(self, owner: str, effect: BlindSign) -> list[bytes]:
        parts = (effect.key, effect.blinded, self._state.random)
        return await self._signers.run(owner, blind_sign, *parts)

    async def _dialled(self, exchange: FrameExchange, body: bytes) -> bytes:
        """A merchant dialled → which of how many processes it has reached, a byte each."""
        await self._links.take_dial(exchange, body)
        return bytes(self._worker)

    async def _health(self, request: Request) -> Response:
        return binary_answer(b"")

    async def _descriptor(self, request: Request) -> Response:
        text = request.path_params.get("serial")
        if text is None:
            return binary_answer(self._state.own.newest.public.signed)
        if not (text.isascii() and text.isdigit() and len(text) <= _SERIAL_DIGITS_MAX):
            raise DescriptorUnknown
        signed = await self._database.run(signed_by_serial, int(text))
        if signed is None:
            raise DescriptorUnknown
        return binary_answer(signed)

    async def _session(self, body: bytes, owner: str) -> Answered:
        """suite (1) ‖ descriptor hash (32) ‖ message 1 → session id (16) ‖ message 2."""
        state = self._state
        if len(body) <= _HELLO_BYTES:
            raise MalformedMessage("A handshake is cut short.")
        suite = suite_by_id(body[0])
        descriptor_hash, message1 = body[1:_HELLO_BYTES], body[_HELLO_BYTES:]
        now = state.clock()
        own = state.own.by_hash(descriptor_hash, now)
        session_id = state.random(SESSION_ID_BYTES)
        message2, keys = await self._handshakes.run(
            owner,
            answer_certified,
            suite,
            prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, descriptor_hash),
            own.tunnel_key(suite),
            session_id,
            message1,
            state.random,
        )
        session = Session(keys, own.serial, expiry(now))
        state.sessions.add(session)
        await state.sessions.publish(session, now)
        state.observe(CustomerSession(suite.group_name, keys.session_fingerprint))
        return session_id + message2, None

    async def _request(self, record: bytes, owner: str) -> Answered:
        """Request record → answer record [‖ attachment]."""
        state = self._state
        session = await state.sessions.fetch(record_session(record), state.clock())
        received: ReceivedRequest[BrokerRequest] = ReceivedRequest(
            session.keys, CustomerRequest, record, REQUEST_MAX_BYTES
        )
        message = received.message
        session.asker = owner
        try:
            answer = await self._answer(session, message, owner)
            # A record grows to what its message needs.
            cells = 1 if answer.natural else message.answer_cells
        except VeilmartError as error:
            if isinstance(error, AuthenticationFailed):
                state.sessions.drop(session)
            answer, cells = Answer(refusal(error)), message.answer_cells
        await state.sessions.publish(session, state.clock())
        sealed = received.seal_answer(answer.message, cells, state.random)
        if len(sealed) > BODY_MAX_BYTES:
            raise ServerFault
        return sealed, answer.attachment

    async def _answer(self, session: Session, message: BrokerRequest, owner: str) -> Answer:
        """Raises only what may cross the wire."""
        try:
            return await self._decide(session, message, owner)
        except (Refusal, NetworkFailure, PeerFault):
            raise
        except DatabaseAway as fault:
            self._state.observe(TaskFailed("A request", f"error {fault.code}"))
            raise ServerBusy from None
        except Exception as fault:
            # Its text may quote a message, so the operator hears its kind only.
            self._state.observe(
                TaskFailed(f"A request ({type(message).__name__})", type(fault).__name__)
            )
            raise ServerFault from None

    async def _decide(self, session: Session, message: BrokerRequest, owner: str) -> Answer:
        """Decide again when another worker may know more; the first attempt had no effect."""
        state, name = self._state, session.keys.session_id
        answer: Answer
        if isinstance(message, Open):
            # An opening that another worker has answered must get that answer again.
            await state.sessions.fetch_changed(name, state.clock())
        try:
            answer = await self.perform(answer_request(state, session, message), owner)
        except (LoginRequired, UnknownRequestNumber):
            if not await state.sessions.fetch_changed(name, state.clock()):
                raise
            answer = await self.perform(answer_request(state, session, message), owner)
        return answer
