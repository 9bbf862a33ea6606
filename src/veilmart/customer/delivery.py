"""From a complete parcel and its key to the finished file (docs/protocol/08-goods.md, section 5).

Every segment is opened and checked against the piece list that the offer named, the padding is
taken off and its zeros checked, and the file gets its name only when all of it is on the disk.
Memory stays at one piece, whatever the size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from veilmart.crypto.padding import PRODUCT_PREFIX_MAX_BYTES, is_zeros, parse_prefix
from veilmart.customer.order import Order, Terms
from veilmart.customer.parcels import Parcels
from veilmart.errors import (
    BadName,
    MalformedMessage,
    Misuse,
    PaddingInvalid,
    SegmentDamaged,
    SignatureInvalid,
)
from veilmart.protocol.parcel import check_segment, open_segment, segment_length, segment_object
from veilmart.storage.files import PartialFile, check_file_name


@dataclass(frozen=True)
class Delivered:
    """path: the finished file, or None when `damaged` segments have to be fetched again."""

    path: Path | None
    damaged: tuple[int, ...] = ()


def deliver(
    order: Order, terms: Terms, parcels: Parcels, segment: bytes | None, *, again: bool = False
) -> Delivered:
    """Write the file of a RELEASED order into its folder.

    segment: a small parcel's only one, verified already; None to read them from `parcels`. again:
    the same file, finished by a run that was killed then, is taken instead of a second copy.
    Raises PieceMismatch and PaddingInvalid (the merchant's fault, provable), DiskFull, CannotWrite.
    """
    try:
        if segment is not None:
            return Delivered(_write(order, terms, lambda index: segment_object(segment), again))
        return Delivered(_write(order, terms, partial(_stored, order, terms, parcels), again))
    except SegmentDamaged as fault:
        return Delivered(None, (fault.index,))


def _write(order: Order, terms: Terms, sealed: Callable[[int], memoryview], again: bool) -> Path:
    """sealed(index): the verified object of a segment."""
    first = _piece(order, terms, 0, sealed)
    name, content, start = parse_prefix(first[:PRODUCT_PREFIX_MAX_BYTES])
    if start + content > terms.offer.size:
        raise PaddingInvalid("A product is longer than its shelf.")
    with PartialFile(Path(order.out_folder), _safe_name(name, order)) as unfinished:
        left = content
        for index in range(terms.count):
            piece = memoryview(first if index == 0 else _piece(order, terms, index, sealed))
            if index == 0:
                piece = piece[start:]
            if left:
                unfinished.write(piece[:left])
            filler = piece[left:]
            left -= min(left, len(piece))
            if not is_zeros(filler):
                raise PaddingInvalid("A product's filler is not zero.")
        return unfinished.finish(reuse=again)


def _piece(order: Order, terms: Terms, index: int, sealed: Callable[[int], memoryview]) -> bytes:
    if order.content_key is None:
        raise Misuse("A parcel is opened after its key has come.")
    return open_segment(
        terms.suite,
        order.content_key,
        order.order,
        index,
        terms.offer.size,
        order.pieces,
        sealed(index),
    )


def _stored(order: Order, terms: Terms, parcels: Parcels, index: int) -> memoryview:
    """The object of a segment on the disk, verified again: disks forget."""
    size = terms.offer.size
    segment = parcels.read(order.order, index, segment_length(size, index))
    if segment is None:
        raise SegmentDamaged(index)
    try:
        return check_segment(terms.signing_key, order.order, index, size, segment)
    except (MalformedMessage, SignatureInvalid) as fault:
        raise SegmentDamaged(index) from fault


def _safe_name(name: str, order: Order) -> str:
    """The merchant's name for the file, or one of ours where it is not a plain file name."""
    try:
        return check_file_name(name)
    except BadName:
        return f"product-{order.product.hex()}.bin"
