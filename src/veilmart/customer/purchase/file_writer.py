"""From a complete parcel and its key to the finished file (docs/protocol/08-goods.md, section 5).

Every segment is opened and checked against the piece list that the offer named, the padding is
taken off and the first piece's zeros checked, and the file gets its name only when all of it is on
the disk. Memory stays at a few pieces, whatever the size.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from veilmart.crypto.padding import PRODUCT_PREFIX_MAX_BYTES, is_zeros, parse_prefix
from veilmart.customer.wallet.copies import Copy, read_piece
from veilmart.customer.wallet.orders import Order, Terms, terms_of
from veilmart.customer.wallet.parcels import Parcels
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
    check_segment,
    open_segment,
    piece_count,
    segment_length,
    segment_object,
)
from veilmart.storage.files.partial_file import PartialFile, check_file_name

OPENED_AT_ONCE = 2


@dataclass(frozen=True)
class Delivered:
    """path: the finished file, or None when `damaged` segments have to be fetched again."""

    path: Path | None
    damaged: tuple[int, ...] = ()


def deliver(
    parcels: Parcels, order: Order, terms: Terms, segment: bytes | None, *, again: bool = False
) -> Delivered:
    """Write the file of a RELEASED order into its folder.

    segment: a small parcel's only one, verified already; None to read them from `parcels`. again:
    the same file, finished by a run that was killed then, is taken instead of a second copy.
    Raises PieceMismatch and PaddingInvalid (the merchant's fault, provable), DiskFull, CannotWrite.
    """
    out = _Place(Path(order.out_folder), terms.offer.size)
    try:
        if segment is not None:
            return Delivered(_write(order, out, lambda _: _open(order, terms, 0, segment), again))
        return Delivered(_write(order, out, partial(_stored, order, terms, parcels), again))
    except SegmentDamaged as fault:
        return Delivered(None, (fault.index,))


def deliver_copy(parcels: Parcels, copy: Copy, order: Order) -> Delivered:
    """Write the file of a copy whose pieces are all there. Raises as `deliver`."""
    size = terms_of(order).offer.size

    def piece_at(index: int) -> bytes:
        found = read_piece(parcels, copy, size, index)
        if found is None:
            raise SegmentDamaged(index)
        return found

    try:
        return Delivered(_write(order, _Place(Path(copy.out_folder), size), piece_at, False))
    except SegmentDamaged as fault:
        return Delivered(None, (fault.index,))


@dataclass(frozen=True)
class _Place:
    """Into which folder, and how long the padded product is."""

    folder: Path
    size: int


def _write(order: Order, out: _Place, piece_at: Callable[[int], bytes], again: bool) -> Path:
    first = piece_at(0)
    name, content, start = parse_prefix(first[:PRODUCT_PREFIX_MAX_BYTES])
    if start + content > out.size:
        raise PaddingInvalid("A product is longer than its shelf.")
    with PartialFile(out.folder, _safe_name(name, order), mode=0o666) as unfinished:
        left = content
        for index, opened in enumerate(_pieces(first, piece_count(out.size), piece_at)):
            piece = memoryview(opened)
            if index == 0:
                piece = piece[start:]
            if left:
                unfinished.write(piece[:left])
            filler = piece[left:]
            left -= min(left, len(piece))
            # Filler of later pieces could not be disputed, so it costs nobody the goods.
            if index == 0 and not is_zeros(filler):
                raise PaddingInvalid("A product's filler is not zero.")
        return unfinished.finish(reuse=again)


def _pieces(first: bytes, count: int, piece_at: Callable[[int], bytes]) -> Iterator[bytes]:
    """All pieces in order; while one is written, the next ones are opened in two threads."""
    yield first
    if count == 1:
        return
    with ThreadPoolExecutor(OPENED_AT_ONCE, "opening") as pool:
        ahead: deque[Future[bytes]] = deque()
        try:
            for index in range(1, count):
                ahead.append(pool.submit(piece_at, index))
                if len(ahead) > OPENED_AT_ONCE:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()


def _open(order: Order, terms: Terms, index: int, segment: bytes) -> bytes:
    """Raises PieceMismatch for a verified segment that is not what was promised."""
    if order.content_key is None:
        raise Misuse("A parcel is opened after its key has come.")
    size = terms.offer.size
    sealed = segment_object(segment)
    return open_segment(
        terms.suite, order.content_key, order.order, index, size, order.pieces, sealed
    )


def _stored(order: Order, terms: Terms, parcels: Parcels, index: int) -> bytes:
    """Piece `index` from the disk. It was verified when it was stored, and its tags and the piece
    list are checked now; whose fault it is when that fails, the signature tells.

    Raises SegmentDamaged (our disk), PieceMismatch (the merchant).
    """
    size = terms.offer.size
    segment = parcels.read(order.order, index, size)
    if segment is None or len(segment) != segment_length(size, index):
        raise SegmentDamaged(index)
    try:
        return _open(order, terms, index, segment)
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
