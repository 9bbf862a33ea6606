"""Links to merchants: one authenticated session per merchant, made at the start and on demand.

docs/protocol/06-broker-merchant.md. When the merchant no longer knows the session, a new one is
made once and the request is repeated; the merchant's answers to a repeated request are harmless.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from veilmart.broker.events import MerchantAuthenticated
from veilmart.broker.merchants import MerchantView
from veilmart.broker.state import BrokerState
from veilmart.crypto.identity import IdentityKey
from veilmart.crypto.suite import Suite
from veilmart.errors import (
    BadPublicValue,
    ClocksDiffer,
    DescriptorUnknown,
    HandshakeFailed,
    MalformedMessage,
    MerchantUnreachable,
    NetworkFailure,
    OrderUnknown,
    PeerFault,
    ProductGone,
    ProductOut,
    Refusal,
    SegmentUnknown,
    ServerBusy,
    SessionUnknown,
    UnknownRequestNumber,
    UnknownSuite,
)
from veilmart.limits import (
    BODY_MAX_BYTES,
    CELL_BYTES,
    HANDSHAKE_MAX_BYTES,
    LINK_AT_ONCE,
    PIECE_BYTES,
    SESSION_SECONDS,
    WORKERS_MAX,
)
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.link import LinkInitiator
from veilmart.protocol.link_messages import (
    FetchSegment,
    LinkProof,
    LinkReady,
    MerchantRequest,
)
from veilmart.protocol.moments import format_moment
from veilmart.protocol.parcel import segment_length
from veilmart.protocol.tunnel import RECORD_OVERHEAD_BYTES, PendingRequest
from veilmart.transport.fair_work import Turnstile
from veilmart.transport.frame_exchange import FrameExchange
from veilmart.transport.port import Client, OpenClient
from veilmart.transport.stream_client import DialledClient, StreamClient

K = TypeVar("K")

DIAL_BYTES = 48
REPLACED_SECONDS = 5.0
LINK_PATH = "/v1/link"
REQUEST_PATH = "/v1/link/request"
RENEW_BEFORE_SECONDS = 300
# What a customer may hear from a merchant. Anything else, "your session has ended" for example,
# would let a merchant speak in the broker's name.
PASSED_ON = (
    BadPublicValue,
    DescriptorUnknown,
    HandshakeFailed,
    MalformedMessage,
    OrderUnknown,
    ProductGone,
    ProductOut,
    SegmentUnknown,
    ServerBusy,
    UnknownRequestNumber,
    UnknownSuite,
)


@dataclass(slots=True)
class _Line:
    """The way to one merchant. `turn` keeps two handshakes from being made at once.

    dialler: where it dialled from, as in `FairTurns`; empty where we called.
    """

    address: str
    client: Client
    turn: asyncio.Lock
    dialler: str = ""
    hang_up: Callable[[], None] = field(default=lambda: None)
    keys: SessionKeys | None = None
    made_at: int = 0


class LinkPool:
    """Sends requests to merchants. `on_linked(fingerprint, its answer)`: called on new sessions."""

    def __init__(
        self,
        state: BrokerState,
        identity: IdentityKey,
        on_linked: Callable[[bytes, LinkReady], None],
        open_client: OpenClient = StreamClient,
    ) -> None:
        self._state = state
        self._identity = identity
        self._on_linked = on_linked
        self._open_client = open_client
        self._lines: dict[bytes, _Line] = {}
        self._dialled: dict[bytes, dict[bytes, _Line]] = {}
        self._turnstile = Turnstile()

    def linked(self, merchant: bytes) -> bool:
        """Whether there is a session, where the merchant is now, that is not about to end."""
        if any(self._good(line) for line in self._dialled.get(merchant, {}).values()):
            return True
        line = self._lines.get(merchant)
        if line is None or line.address != self._state.merchants.known(merchant).address:
            return False
        return self._good(line)

    async def link(self, merchant: bytes) -> None:
        """Have a session with the merchant. Raises MerchantUnreachable, MerchantUnknown."""
        await self._session(self._line(self._state.merchants.known(merchant)), merchant)

    async def ask(
        self, merchant: bytes, message: MerchantRequest, kind: type[K]
    ) -> tuple[K, memoryview]:
        """The merchant's answer, of `kind`, and what follows it.

        Raises what the merchant refuses, if a customer may hear it, else MerchantUnreachable.
        """
        try:
            view = self._state.merchants.known(merchant)
            line = self._line(view)
            keys = await self._session(line, merchant)
            try:
                return await self._exchange(line, keys, message, kind)
            except SessionUnknown:
                self._forget(line, keys)
                keys = await self._session(line, merchant)
                return await self._exchange(line, keys, message, kind)
        except PASSED_ON:
            raise
        except MerchantUnreachable as fault:
            # Its network address is no customer's business. The next `link` tells the operator.
            if merchant in self._lines:
                self._lines[merchant].keys = None
            raise MerchantUnreachable from fault
        except ClocksDiffer as fault:
            here = format_moment(self._state.clock())
            raise MerchantUnreachable(f"{fault.say()} The broker's says {here}.") from fault
        except (Refusal, PeerFault, NetworkFailure) as fault:
            raise MerchantUnreachable(f"It answered with error {fault.code}.") from fault

    async def take_dial(self, exchange: FrameExchange, body: bytes) -> None:
        """A merchant has dialled: fingerprint (32) ‖ which of its processes (16, random).

        It is linked over its stream as if we had called. A stream that is linked takes the place of
        the one that the same process had; one that is not displaces nobody. Raises
        MerchantUnknown, MalformedMessage, MerchantUnreachable, and as `LinkInitiator.finish`.
        """
        if len(body) != DIAL_BYTES:
            raise MalformedMessage("A dialling merchant's announcement has 48 bytes.")
        if exchange.trusted or exchange.dialling:
            raise MalformedMessage("This stream is a link already.")
        exchange.dialling = True
        merchant, process = body[:32], body[32:]
        self._state.merchants.known(merchant)
        client = DialledClient(exchange, MerchantUnreachable)
        line = _Line("", client, asyncio.Lock(), exchange.owner, client.end)
        await self._session(line, merchant)
        exchange.trust(LINK_AT_ONCE)
        lines = self._dialled.setdefault(merchant, {})
        before = lines.pop(process, None)
        if len(lines) >= WORKERS_MAX:
            before = lines.pop(next(iter(lines)))
        lines[process] = line
        exchange.on_lost.append(partial(self._hung_up, merchant, process, line))
        if before is not None:
            # The merchant ends it when it hears our answer; it is not to take it for a loss.
            asyncio.get_running_loop().call_later(REPLACED_SECONDS, before.hang_up)
        if exchange.lost_reason is not None:
            self._hung_up(merchant, process, line)

    def _hung_up(self, merchant: bytes, process: bytes, line: _Line) -> None:
        lines = self._dialled.get(merchant, {})
        if lines.get(process) is line:
            del lines[process]

    def renew(self) -> None:
        """Replace every session; running requests finish in the old ones."""
        for line in self._all_lines():
            line.keys = None

    def _all_lines(self) -> list[_Line]:
        dialled = [line for lines in self._dialled.values() for line in lines.values()]
        return [*self._lines.values(), *dialled]

    async def aclose(self) -> None:
        """Close every connection."""
        for line in self._all_lines():
            await line.client.aclose()
        self._lines.clear()
        self._dialled.clear()

    def _line(self, view: MerchantView) -> _Line:
        dialled = self._dialled.get(view.fingerprint)
        if dialled:
            # Its processes take turns.
            process = next(iter(dialled))
            dialled[process] = dialled.pop(process)
            return dialled[process]
        if not view.address:
            raise MerchantUnreachable("It has not dialled.")
        line = self._lines.get(view.fingerprint)
        if line is not None and line.address == view.address:
            return line
        # It has moved; what is under way on the old connections may end there.
        client = self._open_client(view.address, MerchantUnreachable)
        line = _Line(view.address, client, asyncio.Lock())
        self._lines[view.fingerprint] = line
        return line

    def _good(self, line: _Line) -> bool:
        age = self._state.clock() - line.made_at
        return line.keys is not None and age < SESSION_SECONDS - RENEW_BEFORE_SECONDS

    def _forget(self, line: _Line, keys: SessionKeys) -> None:
        if line.keys is keys:
            line.keys = None

    async def _session(self, line: _Line, merchant: bytes) -> SessionKeys:
        if line.keys is not None and self._good(line):
            return line.keys
        async with line.turn:
            if line.keys is not None and self._good(line):
                return line.keys
            view = self._state.merchants.known(merchant)
            keys, ready = await self._handshake(line, view)
            line.keys, line.made_at = keys, self._state.clock()
        self._state.observe(
            MerchantAuthenticated(view.name, keys.suite.group_name, keys.session_fingerprint)
        )
        self._on_linked(merchant, ready)
        return keys

    async def _handshake(self, line: _Line, view: MerchantView) -> tuple[SessionKeys, LinkReady]:
        """In the suite that the merchant's signed descriptor prefers, and in no other.

        An unsigned "unknown suite" must not talk us into a weaker one. Raises as
        `LinkInitiator.finish`.
        """
        state, descriptor = self._state, view.newest.descriptor
        suites = descriptor.suites()
        if not suites:
            raise UnknownSuite
        parts = (suites[0], state.fingerprint, view.fingerprint, state.random)
        if line.dialler:
            initiator = await self._turnstile.run(line.dialler, LinkInitiator, *parts)
        else:
            initiator = LinkInitiator(*parts)
        body = _hello(suites[0], state.fingerprint, initiator.message1)
        message2 = await line.client.post(LINK_PATH, body, max_bytes=HANDSHAKE_MAX_BYTES)
        keys = initiator.finish(message2, descriptor.identity)
        proof = LinkProof(
            signature=initiator.proof(keys, self._identity),
            descriptor=state.own.newest.public.signed,
        )
        ready, _attachment = await self._exchange(line, keys, proof, LinkReady)
        return keys, ready

    async def _exchange(
        self, line: _Line, keys: SessionKeys, message: MerchantRequest, kind: type[K]
    ) -> tuple[K, memoryview]:
        pending = PendingRequest(keys, message, message.cells, self._state.random)
        room = BODY_MAX_BYTES
        if isinstance(message, FetchSegment):
            room = segment_length(PIECE_BYTES, 0) + _record_bytes(message.answer_cells)
        body = await line.client.post(REQUEST_PATH, pending.record, max_bytes=room)
        attachment = memoryview(b"")
        if isinstance(message, FetchSegment):
            cut = _record_bytes(message.answer_cells)
            # A view: a MiB that is only passed on is not copied.
            body, attachment = body[:cut], memoryview(body)[cut:]
        return pending.open_answer(kind, body), attachment


def _hello(suite: Suite, broker: bytes, message1: bytes) -> bytes:
    """suite (1) ‖ broker fingerprint (32) ‖ message 1."""
    return bytes([suite.id]) + broker + message1


def _record_bytes(cells: int) -> int:
    return RECORD_OVERHEAD_BYTES + cells * CELL_BYTES
