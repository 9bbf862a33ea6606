"""Steps 1 and 2 of a purchase: the tunnel, and the sealed choice in it.

Nothing is stored and nothing is promised yet: a purchase that stops here leaves nothing behind.
"""

from typing import TypeVar

from veilmart.crypto import signing
from veilmart.customer.browsing.tunnel_rules import Tunnel, ask_merchant, open_tunnel
from veilmart.customer.effects import (
    DrawOrderSeed,
    Tell,
)
from veilmart.customer.events import Selected, StepReached
from veilmart.customer.quote import Choice, Quote
from veilmart.errors import (
    OfferMismatch,
    SessionUnknown,
    UnknownRequestNumber,
)
from veilmart.protocol import labels, offer as offers
from veilmart.protocol.catalogue import NO_ROOT
from veilmart.protocol.customer_messages import Payable
from veilmart.protocol.effects import Rule
from veilmart.protocol.merchant_messages import Offered, Select
from veilmart.protocol.parcel import check_piece_list
from veilmart.protocol.ports import Random

K = TypeVar("K")

TRIES = 2


def select(choice: Choice, now: int, random: Random, tunnel: Tunnel | None = None) -> Rule[Quote]:
    """A verified offer for the choice, in a tunnel of its own with an order key of its own.

    tunnel: an open one in which nothing was chosen yet, else one is opened.
    Raises OfferMismatch, PieceMismatch, SignatureInvalid, ProductGone, ProductOut.
    """
    for left in reversed(range(TRIES)):
        try:
            if tunnel is None:
                tunnel = yield from open_tunnel(choice.merchant, choice.suite, random)
            return (yield from _select_in(tunnel, choice, now, random))
        except (SessionUnknown, UnknownRequestNumber):
            tunnel = None
            # The offer is lost with its tunnel: a new one, with a new order key.
            if not left:
                raise
    raise SessionUnknown


def _select_in(tunnel: Tunnel, choice: Choice, now: int, random: Random) -> Rule[Quote]:
    yield from Tell(StepReached("select"))
    order_seed = yield from DrawOrderSeed()
    order_key = signing.public_key(order_seed)
    request = Select(
        broker=choice.broker.fingerprint,
        shelf=choice.shelf.id,
        product=choice.product.id,
        root=choice.product.root,
        price=choice.shelf.price,
        order_key=order_key,
    )
    offered, payable = yield from ask_merchant(tunnel, request, Offered, random)
    merchant_key = choice.merchant.descriptor.signing_key
    offer = offers.open_object(offers.Offer, merchant_key, labels.OFFER, offered.offer)
    escrow = offers.escrow_key(tunnel.keys.exporter, offer.random)
    selection = offers.Selection(
        merchant=choice.merchant.fingerprint,
        broker=choice.broker.fingerprint,
        descriptor=choice.merchant.hash,
        suite=choice.suite,
        shelf=choice.shelf,
        # A unique code has a root of its own: the offer names it, the piece list has to fit it.
        root=offer.product if choice.product.root == NO_ROOT else choice.product.root,
        order_key=order_key,
    )
    offers.check_offer(offer, selection, escrow, now)
    check_piece_list(offered.pieces, offer.product, offer.size)
    order = offers.order_of(offered.offer)
    _check_payable(payable, order, offer)
    yield from Tell(Selected(order, offer.price))
    return Quote(choice, order, offered.offer, offer, offered.pieces, escrow, order_seed)


def _check_payable(payable: Payable | None, order: bytes, offer: offers.Offer) -> None:
    """Compare what the broker read in the invoice with the offer.

    The order key matters most: the holder of the invoice's key releases, acknowledges and disputes.
    """
    if payable is None:
        raise OfferMismatch("The broker got no invoice.")
    expected = {
        "order": (payable.order, order),
        "amount": (payable.amount, offer.price),
        "order key": (payable.order_key, offer.order_key),
        "payment deadline": (payable.pay_by, offer.pay_by),
        "delivery deadline": (payable.deliver_within, offer.deliver_within),
        "settlement deadline": (payable.settle_within, offer.settle_within),
    }
    for name, (got, wanted) in expected.items():
        if got != wanted:
            raise OfferMismatch(f"The invoice's {name} differs.")
