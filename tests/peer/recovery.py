"""11.8 with 7.1 and 7.2: from the seed alone to what was bought with its tokens."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .anonymous import LOOK_PAST, anonymous_session
from .client import Http, Kind, Tunnel
from .descriptors import Link
from .goods import bulk_hash, piece_lengths, unpad_product
from .notation import Bytes16, Number, named_hash, open_signed, require
from .purchase import Invoice, Offer, offered_cells, sign_action
from .suites import Suite
from .tokens import Anonymous, order_key, order_key_prefix, published


class Recalled(Kind):
    """7.2."""

    offer: bytes
    product: Bytes16


class Granted(Kind):
    """7.1."""

    size: Number
    pieces: bytes


class Piece(Kind):
    """7.1."""

    data: bytes


def used_order_keys(http: Http, seed: bytes) -> list[Ed25519PrivateKey]:
    """Those of the seed that paid for something."""
    listed = published(http, "order-keys")
    found: list[Ed25519PrivateKey] = []
    number = end = 0
    while number < end + LOOK_PAST:
        key = order_key(seed, number)
        number += 1
        if order_key_prefix(key) in listed:
            found.append(key)
            end = number
    return found


def fetch_goods(
    link: Link,
    suite: Suite,
    seed: bytes,
    key: Ed25519PrivateKey,
    out: Path,
    now: int,
    transport: type[Http] = Http,
) -> Path:
    """The file that was bought under this order key, on a connection of its own."""
    with anonymous_session(link, suite, now, transport) as (_, session):
        number = session.start_anonymous().request_number
        known = Anonymous(session, seed).recover(key)
        require(known.state == "settled", "order was settled")
        merchant = session.merchant(link.merchant, now)
        signing_key = merchant.body.signing_key
        invoice = open_signed(known.invoice, signing_key, "invoice", Invoice)
        require(invoice.merchant == merchant.fingerprint, "merchant of the order")
        tunnel = Tunnel(session, merchant, number)
        order = known.order
        named = {"broker": session.broker.fingerprint}
        asked = {"kind": "recall", "order": order, "signature": sign_action(key, order, "recall")}
        signed = tunnel.ask(asked | named, Recalled, 1)[0].offer
        require(named_hash("offer hash", signed) == order, "offer of the order")
        offer = open_signed(signed, signing_key, "offer", Offer)
        require(offer.order_key == key.public_key().public_bytes_raw(), "order key of the offer")
        again = named | {
            "shelf": offer.shelf,
            "offer": signed,
            "root": offer.product,
            "signature": sign_action(key, order, "again"),
        }
        name, content = unpad_product(fetch_pieces(tunnel, again, offer))
    path = out / name
    path.write_bytes(content)
    return path


def fetch_pieces(tunnel: Tunnel, again: dict[str, object], offer: Offer) -> bytes:
    """The padded product."""
    lengths = piece_lengths(offer.size)
    cells = offered_cells(32 * len(lengths))
    granted, _ = tunnel.ask({"kind": "again"} | again, Granted, cells)
    require(granted.size == offer.size, "size of the product")
    require(len(granted.pieces) == 32 * len(lengths), "length of the piece list")
    require(named_hash("piece list", granted.pieces) == offer.product, "piece list")
    pieces = []
    for index, length in enumerate(lengths):
        asked = {"kind": "piece", "index": index} | again
        data = tunnel.ask(asked, Piece, 1)[0].data
        listed = granted.pieces[32 * index : 32 * index + 32]
        require((len(data), bulk_hash(data)) == (length, listed), "piece is the listed one")
        pieces.append(data)
    return b"".join(pieces)
