"""From a complete parcel and its key to the finished file (docs/protocol/08-goods.md, section 5).

Every segment is opened and checked against the piece list that the offer named, the padding is
taken off and its zeros checked, and the file gets its name only when all of it is on the disk.
Memory stays at a few pieces, whatever the size.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    PieceMismatch,
    SegmentDamaged,
    SignatureInvalid,
)
from veilmart.protocol.parcel import (
    SIGNATURE_BYTES,
    check_segment,
    open_segment,
    segment_length,
)
from veilmart.storage.files import PartialFile, check_file_name

OPENED_AT_ONCE = 2


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
        for index, opened in enumerate(_pieces(order, terms, parcels, first)):
            piece = memoryview(opened)
            if index == 0:
                piece = piece[start:]
            if left:
                partial.write(piece[:left])
            filler = piece[left:]
            left -= min(left, len(piece))
            if not is_zeros(filler):
                raise PaddingInvalid("A product's filler is not zero.")
        return partial.finish()


def _pieces(order: Order, terms: Terms, parcels: Parcels, first: bytes) -> Iterator[bytes]:
    """All pieces in order; while one is written, the next ones are opened in two threads."""
    yield first
    with ThreadPoolExecutor(OPENED_AT_ONCE, "opening") as pool:
        ahead: deque[Future[bytes]] = deque()
        try:
            for index in range(1, terms.count):
                ahead.append(pool.submit(_piece, order, terms, parcels, index))
                if len(ahead) > OPENED_AT_ONCE:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()


def _piece(order: Order, terms: Terms, parcels: Parcels, index: int) -> bytes:
    """Piece `index`. Every segment was verified when it was stored, and its tags and the piece
    list are checked here; who is to blame for one that fails is looked at only then.

    Raises SegmentDamaged (our disk), PieceMismatch (the merchant).
    """
    size = terms.offer.size
    segment = parcels.read(order.order, index, size)
    if segment is None or order.content_key is None or len(segment) != segment_length(size, index):
        raise SegmentDamaged(index)
    key, suite = order.content_key, terms.suite
    sealed = memoryview(segment)[SIGNATURE_BYTES:]
    try:
        return open_segment(suite, key, order.order, index, size, order.pieces, sealed)
    except (PieceMismatch, MalformedMessage) as fault:
        try:
            check_segment(terms.signing_key, order.order, index, size, segment)
        except (MalformedMessage, SignatureInvalid):
            raise SegmentDamaged(index) from fault
        raise


def _safe_name(name: str, order: Order) -> str:
    """The merchant's name for the file, or one of ours where it is not a plain file name."""
    try:
        return check_file_name(name)
    except BadName:
        return f"product-{order.product.hex()}.bin"
