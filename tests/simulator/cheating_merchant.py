"""A merchant that takes money for goods it does not give: some of its orders are crooked.

Everything it sends is validly signed; that is what makes it evidence. Which orders are crooked, and
how, follows from the order's name, so that a segment asked for twice is the same twice.
"""

from dataclasses import replace as replace_effect

from msgspec.structs import replace

from tests.simulator.known import Known
from veilmart.merchant.effects import Reply, SealPiece
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.server.http_app import MerchantApp
from veilmart.merchant.server.state import MerchantState
from veilmart.merchant.server.tunnels import Link
from veilmart.protocol import labels
from veilmart.protocol.encoding import decode
from veilmart.protocol.link_messages import MerchantRequest, TunnelRelayed
from veilmart.protocol.offer import SIGNATURE_BYTES, SIGNED_MAX_BYTES, Invoice, sign_object
from veilmart.protocol.parcel import piece_length

WRONG_PIECE, WRONG_CONTENT_KEY, WRONG_ESCROW = "another piece", "another key", "a useless invoice"
_CROOKED = {0: WRONG_PIECE, 1: WRONG_CONTENT_KEY, 2: WRONG_ESCROW}
_ONE_IN = 8


def crooked(order: bytes) -> str:
    """How the order is crooked, "" for an honest one."""
    return _CROOKED.get(order[0] % _ONE_IN, "")


class CheatingMerchantApp(MerchantApp):
    """The real application; only what it signs for crooked orders is false."""

    def __init__(self, market: MerchantHome, state: MerchantState, known: Known) -> None:
        super().__init__(market, state)
        self._known = known

    async def _seal_piece(self, effect: SealPiece) -> bytes:
        how = crooked(effect.order)
        if how in (WRONG_PIECE, WRONG_CONTENT_KEY):
            self._known.crooked[effect.order] = how
        if how == WRONG_PIECE:
            piece = b"!" * piece_length(effect.size, effect.index)
            effect = replace_effect(effect, piece=piece)
        elif how == WRONG_CONTENT_KEY:
            effect = replace_effect(effect, content_key=bytes(32))
        return await super()._seal_piece(effect)

    async def _perform(self, link: Link, message: MerchantRequest) -> Reply:
        reply = await super()._perform(link, message)
        relayed = reply.message
        if not (isinstance(relayed, TunnelRelayed) and relayed.invoice):
            return reply
        invoice = decode(Invoice, relayed.invoice[SIGNATURE_BYTES:], SIGNED_MAX_BYTES)
        if crooked(invoice.order) != WRONG_ESCROW:
            return reply
        self._known.crooked[invoice.order] = WRONG_ESCROW
        seed = self._state.shop.newest.keys.seed
        useless = replace(invoice, sealed_key=bytes(64))
        signed = sign_object(seed, labels.INVOICE, useless)
        return Reply(replace(relayed, invoice=signed), reply.cells, reply.attachment)
