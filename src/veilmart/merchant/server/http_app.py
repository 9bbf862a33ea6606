"""The merchant's HTTP surface: reads bytes, lets a rule decide, performs effects, sends bytes.

Routes are in docs/protocol/04-sessions.md. Any malformed input is answered with a typed error, and
the process continues.
"""

import asyncio
import traceback
from typing import TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import Response

from veilmart.crypto.suite import suite_by_id
from veilmart.errors import (
    DatabaseAway,
    DescriptorUnknown,
    MalformedMessage,
    OpenFailed,
    ServerBusy,
    ServerFault,
    SessionUnknown,
    StorageFailure,
    VeilmartError,
)
from veilmart.limits import HANDSHAKE_MAX_BYTES, PIECE_BYTES, REQUEST_MAX_BYTES
from veilmart.merchant.effects import AnswerTunnel, ReadPiece, ReadPieceList, Reply, SealPiece
from veilmart.merchant.events import BrokerRefused, Faulted
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.descriptors import signed_descriptor
from veilmart.merchant.server.link_rules import answer, pinned
from veilmart.merchant.server.shared_tunnels import NotShared, Sharing
from veilmart.merchant.server.state import MerchantState
from veilmart.merchant.server.tunnels import Link
from veilmart.merchant.server.wire_errors import wire_error
from veilmart.protocol.effects import Transact
from veilmart.protocol.handshake import SESSION_ID_BYTES, SessionKeys, answer_certified
from veilmart.protocol.link import answer_link
from veilmart.protocol.link_messages import (
    FetchSegment,
    LinkProof,
    LinkRequest,
    MerchantRequest,
    TunnelOpen,
    TunnelRelay,
)
from veilmart.protocol.parcel import piece_count, piece_length, seal_segment
from veilmart.protocol.perform import Performers, perform
from veilmart.protocol.tunnel import ReceivedRequest, record_session, refusal
from veilmart.storage.products.folder_store import ProductStore
from veilmart.transport.answers import binary_answer
from veilmart.transport.fair_work import Turnstile
from veilmart.transport.frame_exchange import Answered
from veilmart.transport.routes import Post, Routes
from veilmart.transport.time_slots import held_to_slot

LINK_REQUEST_MAX_BYTES = 2 * REQUEST_MAX_BYTES
T = TypeVar("T")

INLINE_PIECE_BYTES = 64 * 1024
SIGNATURES_AT_ONCE = 2
_FINGERPRINT_BYTES = 32

_log = structlog.get_logger("veilmart.merchant")


def seal_piece(store: ProductStore, effect: SealPiece) -> bytes:
    """The signed segment. Raises StoreDamaged. Blocks: reads the store, hashes up to 1 MiB."""
    piece = effect.piece
    if piece is None:
        length = piece_length(effect.size, effect.index)
        piece = store.read(effect.root, effect.index * PIECE_BYTES, length)
    return seal_segment(
        effect.suite,
        effect.content_key,
        effect.signing_seed,
        effect.order,
        effect.index,
        piece_count(effect.size),
        piece,
    )


def read_piece(store: ProductStore, effect: ReadPiece) -> bytes:
    """The piece's bytes. Raises StoreDamaged. Blocks."""
    length = piece_length(effect.size, effect.index)
    return store.read(effect.root, effect.index * PIECE_BYTES, length)


class MerchantApp:
    """Endpoints over one `MerchantState`; `asgi` is the application to serve."""

    def __init__(
        self, market: MerchantHome, state: MerchantState, sharing: Sharing | None = None
    ) -> None:
        self._market = market
        self._sharing: Sharing = NotShared() if sharing is None else sharing
        self._state = state
        self._signing = asyncio.Semaphore(SIGNATURES_AT_ONCE)
        self._performers: Performers = {
            Transact: self._transact,
            SealPiece: self._seal_piece,
            AnswerTunnel: self._answer_tunnel,
            ReadPieceList: self._piece_list,
            ReadPiece: self._piece,
        }
        self._handshakes = Turnstile()
        self.asgi = Routes(
            {
                "/v1/link": Post(self.open_link, 1 + _FINGERPRINT_BYTES + HANDSHAKE_MAX_BYTES),
                "/v1/link/request": Post(self.link_request, LINK_REQUEST_MAX_BYTES),
            },
            [
                ("/v1/descriptor", self.descriptor),
                ("/v1/descriptor/{serial}", self.descriptor),
                ("/v1/healthz", self.healthy),
            ],
        )

    async def _transact(self, effect: Transact[T]) -> T:
        return await self._market.database.run(effect.function, *effect.args)

    async def _answer_tunnel(self, effect: AnswerTunnel) -> tuple[bytes, SessionKeys]:
        return await self._handshakes.run(
            "",  # customers all come through a broker, which knows them apart
            answer_certified,
            effect.suite,
            effect.prologue,
            effect.static,
            effect.number,
            effect.message1,
            self._state.random,
        )

    async def _seal_piece(self, effect: SealPiece) -> bytes:
        if piece_length(effect.size, effect.index) <= INLINE_PIECE_BYTES:
            return seal_piece(self._market.store, effect)
        return await asyncio.to_thread(seal_piece, self._market.store, effect)

    async def _piece_list(self, effect: ReadPieceList) -> bytes:
        return await asyncio.to_thread(self._market.store.piece_list, effect.root)

    async def _piece(self, effect: ReadPiece) -> bytes:
        return await asyncio.to_thread(read_piece, self._market.store, effect)

    async def healthy(self, _request: Request) -> Response:
        return binary_answer(b"")

    async def descriptor(self, request: Request) -> Response:
        """The newest signed descriptor, or the one of a serial."""
        serial = request.path_params.get("serial")
        if serial is None:
            return binary_answer(self._state.shop.newest.known.signed)
        if not (serial.isascii() and serial.isdigit() and len(serial) <= 15 and int(serial)):
            raise DescriptorUnknown
        return binary_answer(await self._market.database.run(signed_descriptor, int(serial)))

    async def open_link(self, body: bytes, _owner: str) -> Answered:
        """suite id (1) ‖ broker fingerprint (32) ‖ message 1 → message 2 ‖ signature."""
        if len(body) <= 1 + _FINGERPRINT_BYTES:
            raise MalformedMessage("A link's first message is cut short.")
        state = self._state
        broker, message1 = body[1 : 1 + _FINGERPRINT_BYTES], body[1 + _FINGERPRINT_BYTES :]
        try:
            suite = suite_by_id(body[0])
            pinned(state, broker)
            session_id = state.random(SESSION_ID_BYTES)
            # An RSA signature takes milliseconds: strangers must not hold up the purchases.
            async with self._signing:
                message2, keys = await asyncio.to_thread(
                    answer_link,
                    suite,
                    broker,
                    state.shop.fingerprint,
                    state.identity,
                    session_id,
                    message1,
                    state.random,
                )
        except VeilmartError as error:
            state.observe(BrokerRefused(error.say()))
            raise
        state.links.open(keys, broker, state.clock())
        await self._sharing.publish_link(session_id)
        return message2, None

    async def link_request(self, record: bytes, _owner: str) -> Answered:
        """A request record of an open link → answer record [‖ segment]."""
        state = self._state
        session_id = record_session(record)
        await self._sharing.fetch_link(session_id)
        link = state.links.find(session_id, state.clock())
        received: ReceivedRequest[MerchantRequest] = ReceivedRequest(
            link.keys, LinkRequest, record, LINK_REQUEST_MAX_BYTES
        )
        if isinstance(received.message, TunnelRelay | FetchSegment):
            async with held_to_slot():
                reply = await self._decide(link, received)
        else:
            reply = await self._decide(link, received)
        sealed = received.seal_answer(reply.message, reply.cells, state.random)
        return sealed, reply.attachment

    async def _decide(self, link: Link, received: ReceivedRequest[MerchantRequest]) -> Reply:
        cells = received.message.answer_cells
        try:
            return await self._answer(link, received.message)
        except SessionUnknown:
            raise
        except DatabaseAway as error:
            self._state.observe(Faulted(str(error)))
            return Reply(refusal(ServerBusy()), cells)
        except VeilmartError as error:
            if isinstance(error, StorageFailure):
                self._state.observe(Faulted(str(error)))
            return Reply(refusal(wire_error(error)), cells)
        except Exception as fault:
            frame = traceback.extract_tb(fault.__traceback__)[-1]
            place = f"{frame.name}:{frame.lineno}"
            # The text of an unexpected exception may quote a message: class and place only.
            _log.error("server fault", kind=type(fault).__name__, place=place)
            self._state.observe(Faulted(type(fault).__name__))
            return Reply(refusal(ServerFault()), cells)

    async def _answer(self, link: Link, message: MerchantRequest) -> Reply:
        """The rule's answer. What other workers need is shared with them before it is sent."""
        if isinstance(message, TunnelRelay):
            return await self._relay(link, message)
        try:
            return await self._perform(link, message)
        finally:
            if isinstance(message, LinkProof):
                await self._sharing.publish_link(link.keys.session_id)
            elif isinstance(message, TunnelOpen):
                await self._sharing.publish_tunnel(message.request_number)

    async def _relay(self, link: Link, message: TunnelRelay) -> Reply:
        number, tunnels = message.request_number, self._state.tunnels
        await self._sharing.fetch_tunnel(number)
        tunnel = tunnels.known(number)
        undecided = tunnel is not None and tunnel.chosen is None
        try:
            reply = await self._perform(link, message)
        except OpenFailed:
            # Opened again by another worker: the keys we know are the earlier ones.
            await self._sharing.fetch_tunnel(number, newest=True)
            if tunnels.known(number) is tunnel:
                raise
            reply = await self._perform(link, message)
        chosen = undecided and tunnel is not None and tunnel.chosen is not None
        if chosen and not await self._sharing.publish_choice(number):
            reply = await self._perform(link, message)
        return reply

    async def _perform(self, link: Link, message: MerchantRequest) -> Reply:
        return await perform(answer(self._state, link, message), self._performers)
