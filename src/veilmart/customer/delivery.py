"""From a complete parcel and its key to the finished file (docs/protocol/08-goods.md, section 5).

Every segment is opened and checked against the piece list that the offer named, the padding is
taken off and its zeros checked, and the file gets its name only when all of it is on the disk.
Memory stays at one piece, whatever the size.
"""

from dataclasses import dataclass
from pathlib import Path

from veilmart.crypto.padding import PRODUCT_PREFIX_MAX_BYTES, is_zeros, parse_prefix
from veilmart.customer.order import Order, Terms, terms_of
from veilmart.customer.parcels import Parcels
from veilmart.errors import (
    BadName,
    MalformedMessage,
    Misuse,
    PaddingInvalid,
    SegmentDamaged,
    SignatureInvalid,
)
from veilmart.protocol.parcel import check_segment, open_segment, segment_length
from veilmart.storage.files import PartialFile, check_file_name


@dataclass(frozen=True)
class Delivered:
    """path: the finished file, or None when `damaged` segments have to be fetched again."""

    path: Path | None
    damaged: tuple[int, ...] = ()


def deliver(order: Order, parcels: Parcels) -> Delivered:
    """Write the file of a RELEASED order into its folder.

    Raises PieceMismatch and PaddingInvalid (the merchant's fault, provable), DiskFull, CannotWrite.
    """
    if order.content_key is None:
        raise Misuse("A parcel is opened after its key has come.")
    terms = terms_of(order)
    try:
        return Delivered(_write(order, terms, parcels))
    except SegmentDamaged as fault:
        return Delivered(None, (fault.index,))


def _write(order: Order, terms: Terms, parcels: Parcels) -> Path:
    first = _piece(order, terms, parcels, 0)
    name, content, start = parse_prefix(first[:PRODUCT_PREFIX_MAX_BYTES])
    if start + content > terms.offer.size:
        raise PaddingInvalid("A product is longer than its shelf.")
    with PartialFile(Path(order.out_folder), _safe_name(name, order)) as partial:
        left = content
        for index in range(terms.count):
            piece = memoryview(first if index == 0 else _piece(order, terms, parcels, index))
            if index == 0:
                piece = piece[start:]
            if left:
                partial.write(piece[:left])
            filler = piece[left:]
            left -= min(left, len(piece))
            if not is_zeros(filler):
                raise PaddingInvalid("A product's filler is not zero.")
        return partial.finish()


def _piece(order: Order, terms: Terms, parcels: Parcels, index: int) -> bytes:
    size = terms.offer.size
    segment = parcels.read(order.order, index, segment_length(size, index))
    if segment is None or order.content_key is None:
        raise SegmentDamaged(index)
    try:
        sealed = check_segment(terms.signing_key, order.order, index, size, segment)
    except (MalformedMessage, SignatureInvalid) as fault:
        raise SegmentDamaged(index) from fault
    return open_segment(
        terms.suite, order.content_key, order.order, index, size, order.pieces, sealed
    )


def _safe_name(name: str, order: Order) -> str:
    """The merchant's name for the file, or one of ours where it is not a plain file name."""
    try:
        return check_file_name(name)
    except BadName:
        return f"product-{order.product.hex()}.bin"
