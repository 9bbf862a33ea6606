"""Fetch again what an order paid for (docs/protocol/07-customer-merchant.md, section 2).

A new tunnel in which the old order is named and signed by its order key; the pieces come inside the
tunnel, so that the broker learns neither which order it was nor which product. No login is needed.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from msgspec.structs import replace as replace_fields

from veilmart.crypto.suite import Suite
from veilmart.customer.browsing.tunnel_rules import Tunnel, ask_merchant, open_tunnel
from veilmart.customer.effects import (
    Pace,
    Tell,
    Together,
    on_disk,
)
from veilmart.customer.events import FileSaved, IntegrityChecked, ParcelBegun, SegmentStored
from veilmart.customer.purchase.completion_rules import finish_slot
from veilmart.customer.purchase.file_writer import deliver_copy
from veilmart.customer.wallet.copies import (
    DONE,
    FETCHING,
    Copy,
    missing_pieces,
    save_copy,
    store_piece,
)
from veilmart.customer.wallet.orders import Order, Terms, terms_of
from veilmart.customer.wallet.parcels import Parcels
from veilmart.errors import (
    NetworkFailure,
    OfferMismatch,
    OpenFailed,
    PieceMismatch,
    SegmentDamaged,
    SessionUnknown,
    UnknownRequestNumber,
)
from veilmart.limits import HASH_BYTES, SEGMENTS_IN_FLIGHT
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.merchant_messages import Again, GetPiece, Granted, Piece
from veilmart.protocol.order_key import sign_action
from veilmart.protocol.parcel import check_piece_list, piece_count, piece_hash, piece_length
from veilmart.protocol.ports import Clock, Random

TUNNELS_MAX = 4
PIECE_TRIES = 4


def fetch_copy(
    copy: Copy,
    order: Order,
    merchant: SignedDescriptor,
    suite: Suite,
    clock: Clock,
    random: Random,
) -> Rule[Copy]:
    """The copy, done. Raises NotSettled, ProductGone, OrderUnknown, PieceMismatch, and errors of
    network and disk, after which it can be called again.
    """
    terms = terms_of(order)
    copy = replace(copy, state=FETCHING)
    for left in reversed(range(TUNNELS_MAX)):
        try:
            tunnel = yield from open_tunnel(merchant, suite, random)
            copy = yield from _ask(copy, order, terms, tunnel, clock, random)
            done = yield from _fetch(copy, order, terms, tunnel, clock, random)
        except (SessionUnknown, UnknownRequestNumber):
            if not left:
                raise
            continue  # the tunnel is gone; what is stored stays
        if done is not None:
            return done
    raise SegmentDamaged(0)


def _ask(
    copy: Copy, order: Order, terms: Terms, tunnel: Tunnel, clock: Clock, random: Random
) -> Rule[Copy]:
    request = Again(
        broker=order.broker,
        shelf=terms.offer.shelf,
        offer=order.offer,
        root=copy.root,
        signature=sign_action(order.order_seed, order.order, "again"),
    )
    granted: Granted
    granted, payable = yield from ask_merchant(tunnel, request, Granted, random)
    if payable is not None or granted.size != terms.offer.size:
        raise OfferMismatch("A repeated fetch is free and stays on its shelf.")
    check_piece_list(granted.pieces, copy.root, granted.size)
    copy = replace(copy, pieces=granted.pieces, changed_at=clock())
    yield from transact(save_copy, copy)
    return copy


def _fetch(
    copy: Copy, order: Order, terms: Terms, tunnel: Tunnel, clock: Clock, random: Random
) -> Rule[Copy | None]:
    """All pieces that are missing, then the file; None when some were damaged on the disk."""
    size = terms.offer.size
    count = piece_count(size)
    indices = yield from on_disk(missing_pieces, copy, size)
    yield from Tell(ParcelBegun(count - len(indices), count, size))
    if indices:
        template = GetPiece(
            broker=order.broker,
            shelf=terms.offer.shelf,
            offer=order.offer,
            root=copy.root,
            signature=sign_action(order.order_seed, order.order, "again"),
            index=0,
        )
        fetch = partial(_fetch_piece, copy, size, tunnel, template, random)
        yield from Together(fetch, indices, SEGMENTS_IN_FLIGHT)
    slot = finish_slot(size)
    began = yield from Pace(slot)
    yield from on_disk(Parcels.make_durable, copy.name)
    delivered = yield from on_disk(deliver_copy, copy, order)
    if delivered.path is None:
        return None
    yield from Tell(IntegrityChecked())
    yield from Tell(FileSaved(Path(delivered.path), order.codes))
    done = replace(copy, state=DONE, changed_at=clock(), file_path=str(delivered.path))
    yield from transact(save_copy, done)
    yield from on_disk(Parcels.drop, copy.name)
    yield from Pace(slot, began)  # the connection closes after it
    return done


def _fetch_piece(
    copy: Copy, size: int, tunnel: Tunnel, template: GetPiece, random: Random, index: int
) -> Rule[None]:
    """One piece; one that was damaged on the way does not open and is requested again."""
    request = replace_fields(template, index=index)
    for left in reversed(range(PIECE_TRIES)):
        try:
            piece: Piece
            piece, _ = yield from ask_merchant(tunnel, request, Piece, random)
        except (SessionUnknown, UnknownRequestNumber):
            raise
        except (OpenFailed, NetworkFailure):
            if not left:
                raise
            continue
        break
    wanted = copy.pieces[index * HASH_BYTES : (index + 1) * HASH_BYTES]
    if len(piece.data) != piece_length(size, index) or piece_hash(piece.data) != wanted:
        raise PieceMismatch(f"Piece {index}.")
    yield from on_disk(store_piece, copy.name, index, size, piece.data)
    yield from Tell(SegmentStored(index, len(piece.data)))
