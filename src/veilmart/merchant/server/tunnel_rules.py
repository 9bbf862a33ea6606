"""What a customer may ask inside their tunnel: the catalogue, and one order.

docs/protocol/07-customer-merchant.md and 09-purchase.md, step 2. The answer is padded so that the
broker, which carries it, sees the same for every product of a shelf and for a refusal.
"""

from typing import TypeAlias

from veilmart.crypto.signing import check_public_key
from veilmart.errors import (
    DescriptorUnknown,
    MalformedMessage,
    NotYourBroker,
    ProductGone,
    ProductOut,
    ServerBusy,
    VeilmartError,
    WrongOrderState,
)
from veilmart.limits import HASH_BYTES, REQUEST_MAX_BYTES
from veilmart.merchant.effects import Reply
from veilmart.merchant.events import MenuSent, Selected
from veilmart.merchant.goods.products import ShopProduct
from veilmart.merchant.goods.showcases import showcase_page
from veilmart.merchant.sales.codes import find_code, sell_code
from veilmart.merchant.sales.orders import Order, store_order
from veilmart.merchant.server.refetch_rules import grant, hand_out, recall
from veilmart.merchant.server.state import MerchantState
from veilmart.merchant.server.tunnels import Tunnel
from veilmart.merchant.server.wire_errors import wire_error
from veilmart.protocol import labels, offer
from veilmart.protocol.catalogue import page, page_count
from veilmart.protocol.descriptor import Shelf
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import Message, encode
from veilmart.protocol.link_messages import TunnelRelay, TunnelRelayed
from veilmart.protocol.merchant_messages import (
    Again,
    CataloguePage,
    CustomerTunnelRequest,
    GetCatalogue,
    GetPiece,
    GetShowcase,
    Offered,
    Recall,
    Select,
    ShowcasePage,
)
from veilmart.protocol.order_states import OrderState
from veilmart.protocol.parcel import piece_count
from veilmart.protocol.tunnel import ReceivedRequest, cells_for, refusal

Written: TypeAlias = tuple[Offered, bytes, Order]
"""Answer, signed invoice, the order to store."""


def offered_cells(shelf: Shelf | None) -> int:
    """Cells of the answer to a select: the largest offer and the shelf's whole piece list."""
    pieces = 0 if shelf is None else piece_count(shelf.size) * HASH_BYTES
    largest = Offered(offer=bytes(offer.SIGNED_MAX_BYTES), pieces=bytes(pieces))
    return cells_for(len(encode(largest)))


def relay(state: MerchantState, broker: bytes, request: TunnelRelay) -> Rule[Reply]:
    """Open the customer's record, answer it, seal the answer; the broker sees only the invoice.

    Raises UnknownRequestNumber, OpenFailed and MalformedMessage to the broker: what did not open
    can only be refused outside the tunnel.
    """
    tunnel = state.tunnels.find(request.request_number, broker, state.clock())
    received: ReceivedRequest[GetCatalogue | GetShowcase | Select | Again | GetPiece | Recall] = (
        ReceivedRequest(tunnel.keys, CustomerTunnelRequest, request.record, REQUEST_MAX_BYTES)
    )
    tunnel.used = True
    asked = received.message
    cells = asked.answer_cells
    if isinstance(asked, Select | Again):
        cells = offered_cells(state.shop.shelves.get(asked.shelf))
    answer: Message
    invoice = b""
    try:
        if isinstance(asked, Select):
            answer, invoice = yield from select(state, tunnel, asked)
        elif isinstance(asked, GetShowcase):
            data = yield from transact(showcase_page, asked.shelf, asked.page)
            answer = ShowcasePage(data=data)
        elif isinstance(asked, Again):
            answer = yield from grant(state, tunnel, asked)
        elif isinstance(asked, Recall):
            answer = yield from recall(state, tunnel, asked)
        elif isinstance(asked, GetPiece):
            answer = yield from hand_out(state, tunnel, asked)
        else:
            answer = show_catalogue(state, tunnel, asked)
    except VeilmartError as error:
        answer = refusal(wire_error(error))
    record = received.seal_answer(answer, cells, state.random)
    return Reply(TunnelRelayed(record=record, invoice=invoice), TunnelRelay.answer_cells)


def show_catalogue(state: MerchantState, tunnel: Tunnel, request: GetCatalogue) -> CataloguePage:
    """One page, the same bytes for everyone; empty when the customer has the newest already.

    Raises DescriptorUnknown when the customer holds a descriptor whose key cannot verify it.
    """
    catalogue = state.shop.catalogue
    pages = page_count(len(catalogue.blob))
    if request.page == 0:
        state.observe(MenuSent(tunnel.label))
    if request.known == catalogue.hash:
        return CataloguePage(hash=catalogue.hash, pages=0, data=b"")
    if catalogue.key_set != tunnel.published.keys.id:
        raise DescriptorUnknown("The catalogue is signed by a newer one.")
    if request.page >= pages:
        raise MalformedMessage("The catalogue has no such page.")
    data = page(catalogue.blob, request.page)
    return CataloguePage(hash=catalogue.hash, pages=pages, data=data)


def select(state: MerchantState, tunnel: Tunnel, request: Select) -> Rule[tuple[Offered, bytes]]:
    """Offer and invoice, stored before they are sent; a repeated request gets the same ones.

    Raises BadPublicValue for the order key, NotYourBroker, ProductGone, ProductOut,
    WrongOrderState (one order per tunnel) and ServerBusy while
    the first of two equal requests is still being answered.
    """
    if tunnel.chosen is not None:
        earlier, answer, invoice = tunnel.chosen
        if earlier != request:
            raise WrongOrderState("A tunnel is good for one order.", money="No money moved.")
        return answer, invoice
    check_public_key(request.order_key)
    product, shelf = _current(state, tunnel, request)
    if tunnel.choosing:
        raise ServerBusy
    tunnel.choosing = True
    try:
        if product.codes:
            written = yield from _sell_code(state, tunnel, request, product, shelf)
            answer, invoice, order = written
        else:
            answer, invoice, order = _write_offer(state, tunnel, request, product, shelf)
            yield from transact(store_order, order)
    finally:
        tunnel.choosing = False
    tunnel.chosen = (request, answer, invoice)
    state.tunnels.name_order(order.order, tunnel.label)
    state.observe(Selected(tunnel.label, product.title, shelf.price))
    return answer, invoice


def _sell_code(
    state: MerchantState, tunnel: Tunnel, request: Select, product: ShopProduct, shelf: Shelf
) -> Rule[Written]:
    """Sign for a free code first, then take it: signing would hold up the writer.

    Anyone who took the code meanwhile has sold one, so this ends.
    """
    while True:
        start = state.random(HASH_BYTES)
        found = yield from transact(find_code, product.id, shelf.id, state.clock(), start)
        written = _write_offer(state, tunnel, request, found.of(product, shelf), shelf)
        if (yield from transact(sell_code, found.id, shelf, state.clock(), written[2])):
            return written


def _current(state: MerchantState, tunnel: Tunnel, request: Select) -> tuple[ShopProduct, Shelf]:
    shop = state.shop
    if request.broker != tunnel.broker or request.broker not in shop.brokers:
        raise NotYourBroker
    product = shop.products.get(request.product)
    shelf = shop.shelves.get(request.shelf)
    if product is None or shelf is None:
        raise ProductGone
    wanted = (request.shelf, request.root, request.price)
    if wanted != (product.shelf, product.root, shelf.price):
        raise ProductGone
    if not (product.available and product.in_stock):
        raise ProductOut
    return product, shelf


def _write_offer(
    state: MerchantState, tunnel: Tunnel, request: Select, product: ShopProduct, shelf: Shelf
) -> Written:
    """Signed offer and invoice with a fresh content key; W only the customer's key opens."""
    shop, suite, keys = state.shop, tunnel.keys.suite, tunnel.published.keys
    now = state.clock()
    content_key, random = state.random(offer.KEY_BYTES), state.random(offer.KEY_BYTES)
    escrow = offer.escrow_key(tunnel.keys.exporter, random)
    pay_by = now + shelf.pay_within
    signed = offer.sign_object(
        keys.seed,
        labels.OFFER,
        offer.Offer(
            merchant=shop.fingerprint,
            broker=request.broker,
            descriptor=tunnel.published.known.hash,
            random=random,
            suite=suite.id,
            shelf=shelf.id,
            price=shelf.price,
            size=shelf.size,
            product=product.root,
            content_key_hash=offer.content_key_hash(content_key),
            escrow_key_hash=offer.escrow_key_hash(escrow),
            order_key=request.order_key,
            pay_by=pay_by,
            deliver_within=shelf.deliver_within,
            settle_within=shelf.settle_within,
        ),
    )
    name = offer.order_of(signed)
    invoice = offer.Invoice(
        merchant=shop.fingerprint,
        broker=request.broker,
        order=name,
        suite=suite.id,
        amount=shelf.price,
        order_key=request.order_key,
        sealed_key=offer.seal_content_key(suite, escrow, content_key, name),
        pay_by=pay_by,
        deliver_within=shelf.deliver_within,
        settle_within=shelf.settle_within,
    )
    order = Order(
        order=name,
        broker=shop.brokers[request.broker].id,
        product=product.id,
        root=product.root,
        shelf=shelf.id,
        size=shelf.size,
        suite=suite.id,
        content_key=content_key,
        key_set=keys.id,
        price=shelf.price,
        state=OrderState.OFFERED,
        offered_at=now,
        pay_by=pay_by,
        offer=signed,
    )
    signed_invoice = offer.sign_object(keys.seed, labels.INVOICE, invoice)
    return Offered(offer=signed, pieces=product.pieces), signed_invoice, order
