"""Offer, invoice and payment receipt (docs/protocol/09-purchase.md, steps 2 to 5).

Signed objects are signature (64, Ed25519) ‖ MessagePack body. The order's name everywhere is the
offer's hash. The customer pays for the content key: the invoice carries it sealed under the escrow
key, which only the customer can compute.
"""

from dataclasses import dataclass
from typing import Annotated, TypeVar

from msgspec import Meta

from veilmart.crypto import signing
from veilmart.crypto.key_derivation import derive
from veilmart.crypto.suite import Suite
from veilmart.errors import (
    ContentKeyInvalid,
    MalformedMessage,
    OfferMismatch,
    OfferOver,
    OpenFailed,
)
from veilmart.protocol import labels
from veilmart.protocol.descriptor import Shelf
from veilmart.protocol.encoding import Bytes32, Message, Natural, decode, encode, labelled_hash
from veilmart.protocol.moments import format_moment

SIGNATURE_BYTES = 64
SIGNED_MAX_BYTES = 1024
KEY_BYTES = 32
SEALED_KEY_BYTES = 64
SEALED_KEY_NONCE = bytes(24)

S = TypeVar("S", bound=Message)


class Offer(Message, frozen=True):
    """Merchant → customer. random: 32 fresh bytes. product: root. Times: Unix seconds."""

    merchant: Bytes32
    broker: Bytes32
    descriptor: Bytes32
    random: Bytes32
    suite: Natural
    shelf: Natural
    price: Natural
    size: Natural
    product: Bytes32
    content_key_hash: Bytes32
    escrow_key_hash: Bytes32
    order_key: Bytes32
    pay_by: Natural
    deliver_within: Natural
    settle_within: Natural


class Invoice(Message, frozen=True):
    """Merchant → broker. order: offer hash. sealed_key: W, 64 bytes. Names no product."""

    merchant: Bytes32
    broker: Bytes32
    order: Bytes32
    suite: Natural
    amount: Natural
    order_key: Bytes32
    sealed_key: Annotated[bytes, Meta(min_length=SEALED_KEY_BYTES, max_length=SEALED_KEY_BYTES)]
    pay_by: Natural
    deliver_within: Natural
    settle_within: Natural


class PaymentReceipt(Message, frozen=True):
    """Broker → customer: the amount is held for this invoice since `held_at`."""

    broker: Bytes32
    merchant: Bytes32
    order: Bytes32
    invoice: Bytes32
    amount: Natural
    held_at: Natural


def sign_object(seed: bytes, label: str, message: Message) -> bytes:
    """signature ‖ body, for `open_object`."""
    body = encode(message)
    return signing.sign(seed, label, body) + body


def open_object(kind: type[S], public: bytes, label: str, signed: bytes) -> S:
    """Verify, then parse. Raises SignatureInvalid, MalformedMessage, MessageTooLarge."""
    if not SIGNATURE_BYTES < len(signed) <= SIGNED_MAX_BYTES:
        raise MalformedMessage("A signed object has an impossible length.")
    body = signed[SIGNATURE_BYTES:]
    signing.verify(public, label, body, signed[:SIGNATURE_BYTES])
    return decode(kind, body, SIGNED_MAX_BYTES)


def order_of(signed_offer: bytes) -> bytes:
    """The order's name: hash of the signed offer, 32 bytes."""
    return labelled_hash(labels.OFFER_HASH, signed_offer)


def invoice_hash(signed_invoice: bytes) -> bytes:
    return labelled_hash(labels.INVOICE_HASH, signed_invoice)


def escrow_key(exporter: bytes, offer_random: bytes) -> bytes:
    """32 bytes from the merchant tunnel's exporter secret; the broker cannot compute it."""
    return derive(exporter, labels.ESCROW_KEY, offer_random)


def content_key_hash(key: bytes) -> bytes:
    return labelled_hash(labels.CONTENT_KEY_HASH, key)


def escrow_key_hash(key: bytes) -> bytes:
    return labelled_hash(labels.ESCROW_KEY_HASH, key)


def seal_content_key(suite: Suite, escrow: bytes, content_key: bytes, order: bytes) -> bytes:
    """W, 64 bytes. The nonce may be constant: an escrow key seals one message ever."""
    return suite.cipher.seal(escrow, labels.USE_SEALED_KEY, SEALED_KEY_NONCE, order, content_key)


def open_content_key(suite: Suite, escrow: bytes, offer: Offer, order: bytes, w: bytes) -> bytes:
    """The content key (32). Raises ContentKeyInvalid when W is not what the offer promised."""
    try:
        key = suite.cipher.open(escrow, labels.USE_SEALED_KEY, SEALED_KEY_NONCE, order, w)
    except OpenFailed as fault:
        raise ContentKeyInvalid from fault
    if content_key_hash(key) != offer.content_key_hash:
        raise ContentKeyInvalid
    return key


@dataclass(frozen=True)
class Selection:
    """The customer's selection, which the offer must repeat."""

    merchant: bytes
    broker: bytes
    descriptor: bytes
    suite: Suite
    shelf: Shelf
    root: bytes
    order_key: bytes


def check_offer(offer: Offer, selection: Selection, escrow: bytes, now: int) -> None:
    """Step 2's check at the customer. Raises OfferMismatch naming the field that differs.

    OfferOver where only the clocks differ.
    """
    shelf = selection.shelf
    expected = {
        "merchant": (offer.merchant, selection.merchant),
        "broker": (offer.broker, selection.broker),
        "descriptor": (offer.descriptor, selection.descriptor),
        "suite": (offer.suite, selection.suite.id),
        "shelf": (offer.shelf, shelf.id),
        "price": (offer.price, shelf.price),
        "size": (offer.size, shelf.size),
        "product": (offer.product, selection.root),
        "order key": (offer.order_key, selection.order_key),
        "escrow key": (offer.escrow_key_hash, escrow_key_hash(escrow)),
        "delivery deadline": (offer.deliver_within, shelf.deliver_within),
        "settlement deadline": (offer.settle_within, shelf.settle_within),
    }
    for name, (got, wanted) in expected.items():
        if got != wanted:
            raise OfferMismatch(f"Its {name} differs.")
    if offer.pay_by <= now:
        until, here = format_moment(offer.pay_by), format_moment(now)
        raise OfferOver(f"It expired at {until}; here the clock says {here}.")


def check_invoice(invoice: Invoice, offer: Offer, order: bytes) -> None:
    """Step 5's check at the customer: the invoice belongs to the offer. Raises OfferMismatch."""
    expected = {
        "merchant": (invoice.merchant, offer.merchant),
        "broker": (invoice.broker, offer.broker),
        "order": (invoice.order, order),
        "suite": (invoice.suite, offer.suite),
        "amount": (invoice.amount, offer.price),
        "order key": (invoice.order_key, offer.order_key),
        "payment deadline": (invoice.pay_by, offer.pay_by),
        "delivery deadline": (invoice.deliver_within, offer.deliver_within),
        "settlement deadline": (invoice.settle_within, offer.settle_within),
    }
    for name, (got, wanted) in expected.items():
        if got != wanted:
            raise OfferMismatch(f"The invoice's {name} differs.")
