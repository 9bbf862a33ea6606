"""Page 9: one purchase from the choice to the receipt.

This customer is a check of the text, not a wallet: it keeps its state in memory, so it cannot go on
after an interruption (9.4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from .client import BrokerSession, Kind, Payable, Tunnel, natural_cells
from .descriptors import Shelf
from .goods import (
    Product,
    bulk_hash,
    check_segment,
    fetch_catalogue,
    open_segment,
    piece_lengths,
    unpad_product,
)
from .notation import (
    Bytes32,
    Bytes64,
    Number,
    derive,
    encode,
    labelled,
    le,
    named_hash,
    open_signed,
    require,
)


class Offer(Struct, forbid_unknown_fields=True):
    """9.1."""

    merchant: Bytes32
    broker: Bytes32
    descriptor: Bytes32
    random: Bytes32
    suite: Number
    shelf: Number
    price: Number
    size: Number
    product: Bytes32
    content_key_hash: Bytes32
    escrow_key_hash: Bytes32
    order_key: Bytes32
    pay_by: Number
    deliver_within: Number
    settle_within: Number


class Invoice(Struct, forbid_unknown_fields=True):
    """9.1."""

    merchant: Bytes32
    broker: Bytes32
    order: Bytes32
    suite: Number
    amount: Number
    order_key: Bytes32
    sealed_key: Bytes64
    pay_by: Number
    deliver_within: Number
    settle_within: Number


class Receipt(Struct, forbid_unknown_fields=True):
    """9.1."""

    broker: Bytes32
    merchant: Bytes32
    order: Bytes32
    invoice: Bytes32
    amount: Number
    held_at: Number


class Offered(Kind):
    """Page 7."""

    offer: bytes
    pieces: bytes


class Paid(Kind):
    """5.4."""

    receipt: bytes
    balance: Number


class Segment(Kind):
    """5.5."""

    length: Number


class Released(Kind):
    """5.5."""

    invoice: bytes


class Status(Kind):
    """5.5."""

    state: str
    due: Number


@dataclass(frozen=True, repr=False)
class Agreed:
    """An offer that was checked, and what the customer keeps with it."""

    signed: bytes
    offer: Offer
    order: bytes
    escrow_key: bytes
    pieces: list[bytes]
    order_key: Ed25519PrivateKey


@dataclass(frozen=True)
class Bought:
    """What a purchase gives."""

    path: Path
    state: str
    receipt: bytes
    first_came: bool


def select(
    tunnel: Tunnel,
    session: BrokerSession,
    product: Product,
    now: int,
    order_key: Ed25519PrivateKey,
) -> Agreed:
    """Steps 4 and 5."""
    shelf = tunnel.merchant.shelf(product.shelf)
    public = order_key.public_key().public_bytes_raw()
    message = {
        "kind": "select",
        "broker": session.broker.fingerprint,
        "shelf": shelf.id,
        "product": product.id,
        "root": product.root,
        "price": shelf.price,
        "order_key": public,
    }
    list_length = 32 * len(piece_lengths(shelf.size))
    said, payable = tunnel.ask(message, Offered, offered_cells(list_length))
    signing_key = tunnel.merchant.body.signing_key
    offer = open_signed(said.offer, signing_key, "offer", Offer)
    escrow_key = derive(tunnel.exporter, "escrow key", offer.random)
    order = named_hash("offer hash", said.offer)
    check_offer(offer, tunnel, session, shelf, product, public, now)
    require(offer.escrow_key_hash == named_hash("escrow key hash", escrow_key), "escrow key")
    require(len(said.pieces) == list_length, "length of the piece list")
    require(named_hash("piece list", said.pieces) == product.root, "piece list")
    terms = (offer.pay_by, offer.deliver_within, offer.settle_within)
    require(payable == Payable(order, shelf.price, public, *terms), "what is payable")
    pieces = [said.pieces[at : at + 32] for at in range(0, list_length, 32)]
    return Agreed(said.offer, offer, order, escrow_key, pieces, order_key)


def offered_cells(list_length: int) -> int:
    """Page 7: for the longest offer and a piece list of this length."""
    return natural_cells({"kind": "offered", "offer": bytes(1024), "pieces": bytes(list_length)})


def check_offer(
    offer: Offer,
    tunnel: Tunnel,
    session: BrokerSession,
    shelf: Shelf,
    product: Product,
    order_key: bytes,
    now: int,
) -> None:
    """Every field of the offer against the choice; the two keys' hashes are checked elsewhere."""
    expected = Offer(
        merchant=tunnel.merchant.fingerprint,
        broker=session.broker.fingerprint,
        descriptor=tunnel.merchant.hash,
        random=offer.random,
        suite=tunnel.suite.number,
        shelf=shelf.id,
        price=shelf.price,
        size=shelf.size,
        product=product.root,
        content_key_hash=offer.content_key_hash,
        escrow_key_hash=offer.escrow_key_hash,
        order_key=order_key,
        pay_by=offer.pay_by,
        deliver_within=shelf.deliver_within,
        settle_within=shelf.settle_within,
    )
    require(offer == expected, "offer is what was chosen")
    require(now < offer.pay_by <= now + shelf.pay_within + 300, "pay_by")


def operation(order: bytes, kind: str) -> bytes:
    """5.6."""
    return named_hash("operation", order, kind.encode())[:16]


def sign_action(key: Ed25519PrivateKey, order: bytes, kind: str, index: int = 0) -> bytes:
    """5.5."""
    return key.sign(labelled("order action", order + le(index) + kind.encode()))


class Order:
    """Steps 6 to 10 of one order."""

    def __init__(self, session: BrokerSession, tunnel: Tunnel, agreed: Agreed) -> None:
        self._session = session
        self._tunnel = tunnel
        self._agreed = agreed
        self.state = "offered"
        self.first = b""
        """Segment 0, where it came with the payment's answer."""

    def pay(self) -> tuple[Receipt, bytes]:
        """Step 6, from the account's balance."""
        agreed = self._agreed
        message = {
            "kind": "pay",
            "operation": operation(agreed.order, "pay"),
            "order": agreed.order,
            "amount": agreed.offer.price,
        }
        said, self.first = self._session.ask_attached(message, Paid, 2)
        return self.check_receipt(said.receipt)

    def check_receipt(self, signed: bytes) -> tuple[Receipt, bytes]:
        """The payment receipt, however it was paid."""
        agreed, broker = self._agreed, self._session.broker
        receipt = open_signed(signed, broker.body.signing_key, "payment receipt", Receipt)
        expected = Receipt(
            broker=broker.fingerprint,
            merchant=agreed.offer.merchant,
            order=agreed.order,
            invoice=receipt.invoice,
            amount=agreed.offer.price,
            held_at=receipt.held_at,
        )
        require(receipt == expected and receipt.held_at <= agreed.offer.pay_by, "payment receipt")
        return receipt, signed

    def segments(self) -> list[bytes]:
        """Step 7: the objects of all segments, verified but still sealed."""
        order, public = self._agreed.order, self._tunnel.merchant.body.signing_key
        lengths = piece_lengths(self._agreed.offer.size)
        objects = []
        for i, length in enumerate(lengths):
            if i == 0 and self.first:
                objects.append(check_segment(self.first, length, public, order, i, len(lengths)))
                continue
            message = {
                "kind": "segment",
                "order": order,
                "index": i,
                "signature": self._sign("segment", i),
            }
            said, signed = self._session.ask_attached(message, Segment)
            require(said.length == len(signed), "length of the attachment")
            objects.append(check_segment(signed, length, public, order, i, len(lengths)))
        return objects

    def release(self, receipt: Receipt) -> tuple[bytes, bytes]:
        """Step 8: the content key and the signed invoice."""
        agreed, offer = self._agreed, self._agreed.offer
        message = self._effect("release")
        signed = self._session.ask(message, 1, Released, 2).invoice
        require(named_hash("invoice hash", signed) == receipt.invoice, "receipt names the invoice")
        key = self._tunnel.merchant.body.signing_key
        invoice = open_signed(signed, key, "invoice", Invoice)
        expected = Invoice(
            merchant=offer.merchant,
            broker=offer.broker,
            order=agreed.order,
            suite=offer.suite,
            amount=offer.price,
            order_key=offer.order_key,
            sealed_key=invoice.sealed_key,
            pay_by=offer.pay_by,
            deliver_within=offer.deliver_within,
            settle_within=offer.settle_within,
        )
        require(invoice == expected, "invoice agrees with the offer")
        content_key = self._tunnel.suite.open(
            agreed.escrow_key, "sealed key", bytes(24), agreed.order, invoice.sealed_key
        )
        named = named_hash("content key hash", content_key)
        require(named == offer.content_key_hash, "content key")
        return content_key, signed

    def open(self, content_key: bytes, objects: list[bytes]) -> tuple[str, bytes]:
        """Step 9: file name and content."""
        suite, order, count = self._tunnel.suite, self._agreed.order, len(objects)
        plain = []
        for i, (sealed, piece_hash) in enumerate(zip(objects, self._agreed.pieces, strict=True)):
            piece = open_segment(suite, content_key, sealed, order, i, count)
            require(bulk_hash(piece) == piece_hash, "piece is the listed one")
            plain.append(piece)
        return unpad_product(b"".join(plain))

    def acknowledge(self) -> str:
        """Step 10: the state afterwards."""
        return self._session.ask(self._effect("acknowledge"), 1, Status, 1).state

    def status(self) -> str:
        """The state of the broker's invoice."""
        message = self._effect("status")
        del message["operation"]
        return self._session.ask(message, 1, Status, 1).state

    def _sign(self, kind: str, index: int) -> bytes:
        return sign_action(self._agreed.order_key, self._agreed.order, kind, index)

    def _effect(self, kind: str) -> dict[str, Any]:
        return {
            "kind": kind,
            "operation": operation(self._agreed.order, kind),
            "order": self._agreed.order,
            "signature": self._sign(kind, 0),
        }


Payment = Callable[["Order", Agreed], tuple[Receipt, bytes]]
"""Pays for an order: the receipt, read and as sent."""


def from_balance(order: Order, agreed: Agreed) -> tuple[Receipt, bytes]:
    """Pay from the account that the session is logged in to."""
    return order.pay()


def buy(
    session: BrokerSession,
    tunnel: Tunnel,
    title: str,
    out: Path,
    now: int,
    payment: Payment = from_balance,
    order_key: Ed25519PrivateKey | None = None,
) -> Bought:
    """Steps 3 to 10 for the one available product with this title."""
    available = [product for product in fetch_catalogue(tunnel).products if product.available]
    found = [product for product in available if product.title == title]
    listed = ", ".join(repr(product.title) for product in available)
    require(len(found) == 1, f"one product is called {title!r}; listed: {listed}")
    key = order_key or Ed25519PrivateKey.generate()
    agreed = select(tunnel, session, found[0], now, key)
    order = Order(session, tunnel, agreed)
    receipt, signed_receipt = payment(order, agreed)
    objects = order.segments()
    content_key, signed_invoice = order.release(receipt)
    name, content = order.open(content_key, objects)
    require((name, len(content)) == (found[0].file_name, found[0].size), "file is the listed one")
    path = out / name
    part = out / f"{name}.part"
    part.write_bytes(content)
    part.replace(path)
    require(order.acknowledge() == "settled", "acknowledging settles")
    bundle = encode(
        {
            "offer": agreed.signed,
            "invoice": signed_invoice,
            "receipt": signed_receipt,
            "merchant_descriptor": tunnel.merchant.signed,
            "broker_descriptor": session.broker.signed,
        }
    )
    return Bought(path, order.status(), bundle, bool(order.first))
