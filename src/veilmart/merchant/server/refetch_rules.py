"""Fetching paid products again (docs/protocol/07-customer-merchant.md, section 2).

The old order is named inside the tunnel and signed by its order key, so the broker learns neither
which order nor which product is fetched. Only orders that the broker has reported settled are
served: the version that was bought, or the newest of the same product on the same shelf. Every
request is complete in itself, so any worker can answer it and a tunnel stores nothing.
"""

from sqlalchemy import Connection, select

from veilmart.errors import NotSettled, NotYourBroker, OrderUnknown, ProductGone, SegmentUnknown
from veilmart.merchant.effects import ReadPiece, ReadPieceList
from veilmart.merchant.sales.codes import code_asked
from veilmart.merchant.sales.orders import Order, find_order
from veilmart.merchant.schema.tables import products
from veilmart.merchant.server.state import MerchantState
from veilmart.merchant.server.tunnels import Tunnel
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode
from veilmart.protocol.merchant_messages import (
    Again,
    GetPiece,
    Granted,
    Piece,
    Recall,
    Recalled,
)
from veilmart.protocol.offer import SIGNATURE_BYTES, SIGNED_MAX_BYTES, Offer, order_of
from veilmart.protocol.order_key import check_action
from veilmart.protocol.order_states import OrderState
from veilmart.protocol.parcel import piece_count, piece_hash


def grant(state: MerchantState, tunnel: Tunnel, request: Again) -> Rule[Granted]:
    """Raises OrderUnknown, OrderKeyInvalid, NotSettled, ProductGone, NotYourBroker."""
    order = yield from _entitled(state, tunnel, request)
    if order.shelf in state.shop.code_shelves:
        code = yield from transact(code_asked, order.order, order.size)
        return Granted(size=order.size, pieces=piece_hash(code))
    pieces = yield from ReadPieceList(request.root)
    return Granted(size=order.size, pieces=pieces)


def hand_out(state: MerchantState, tunnel: Tunnel, request: GetPiece) -> Rule[Piece]:
    """Raises SegmentUnknown and as `grant`."""
    order = yield from _entitled(state, tunnel, request)
    if request.index >= piece_count(order.size):
        raise SegmentUnknown(f"Number {request.index}.")
    if order.shelf in state.shop.code_shelves:
        code = yield from transact(code_asked, order.order, order.size)
        return Piece(data=code)
    data = yield from ReadPiece(request.root, order.size, request.index)
    return Piece(data=data)


def recall(state: MerchantState, tunnel: Tunnel, request: Recall) -> Rule[Recalled]:
    """The signed offer of an order, for a wallet that has only its order key left (section 7.2).

    Raises OrderUnknown, OrderKeyInvalid, NotYourBroker.
    """
    broker = state.shop.brokers.get(request.broker)
    if broker is None or request.broker != tunnel.broker:
        raise NotYourBroker
    order = yield from transact(find_order, request.order, broker.id)
    if order.offer is None:
        raise OrderUnknown
    body = order.offer[SIGNATURE_BYTES:]
    order_key = decode(Offer, body, SIGNED_MAX_BYTES).order_key
    check_action(order_key, request.order, "recall", request.signature)
    return Recalled(offer=order.offer, product=order.product)


def _entitled(state: MerchantState, tunnel: Tunnel, request: Again | GetPiece) -> Rule[Order]:
    """The settled order that pays for what is asked."""
    broker = state.shop.brokers.get(request.broker)
    if broker is None or request.broker != tunnel.broker:
        raise NotYourBroker
    # The offer comes with the request, so this works for orders from before offers were kept.
    # It names the order key, and the order's name is its hash.
    name = order_of(request.offer)
    order = yield from transact(find_order, name, broker.id)
    if order.shelf != request.shelf:
        raise OrderUnknown
    body = request.offer[SIGNATURE_BYTES:]
    check_action(decode(Offer, body, SIGNED_MAX_BYTES).order_key, name, "again", request.signature)
    if order.state is not OrderState.SETTLED:
        raise NotSettled
    if request.root != order.root and request.root != (yield from transact(_newest_root, order)):
        raise ProductGone
    return order


def _newest_root(connection: Connection, order: Order) -> bytes | None:
    """The root that stands on the order's shelf now for the product it bought.

    A unique code has no newer version: its own root is the only one.
    """
    query = select(products.c.root).where(
        products.c.id == order.product,
        products.c.shelf == order.shelf,
        products.c.removed.is_(False),
        products.c.codes.is_(False),
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else bytes(found)
