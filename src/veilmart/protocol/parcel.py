"""Parcels: the pieces of a product, sealed under one order's content key and signed.

docs/protocol/08-goods.md, sections 1 and 4. A signed segment is signature (64) ‖ object, where the
object is the suite's long form of one piece.
"""

from veilmart.crypto import signing
from veilmart.crypto.cipher import object_bytes
from veilmart.crypto.hash_functions import bulk_hash
from veilmart.crypto.suite import Suite
from veilmart.errors import MalformedMessage, OpenFailed, PieceMismatch
from veilmart.limits import HASH_BYTES, PIECE_BYTES
from veilmart.protocol import labels
from veilmart.protocol.encoding import labelled_hash, le64

SIGNATURE_BYTES = 64
NONCE_BYTES = 24


def piece_count(size: int) -> int:
    """Pieces of a padded product of `size` bytes; size is at least one cell."""
    return -(-size // PIECE_BYTES)


def piece_length(size: int, index: int) -> int:
    """Bytes of piece `index`; only the last one may be shorter than 1 MiB."""
    return min(PIECE_BYTES, size - index * PIECE_BYTES)


def segment_length(size: int, index: int) -> int:
    """Bytes of the signed segment `index`: the same for every product of a shelf."""
    return SIGNATURE_BYTES + object_bytes(piece_length(size, index))


SEGMENT_MAX_BYTES = segment_length(PIECE_BYTES, 0)


def piece_hash(piece: bytes | memoryview) -> bytes:
    """BLAKE3-256, 32 bytes: what a piece list is made of."""
    return bulk_hash(piece)


def piece_list_root(pieces: bytes) -> bytes:
    """The product's root: hash of its piece list (32 bytes each)."""
    return labelled_hash(labels.PIECE_LIST, pieces)


def check_piece_list(pieces: bytes, root: bytes, size: int) -> None:
    """Raises PieceMismatch unless the list has the shelf's length and hashes to the root."""
    if len(pieces) != piece_count(size) * HASH_BYTES or piece_list_root(pieces) != root:
        raise PieceMismatch("The piece list is not the product's.", money="No money moved.")


def _segment_ad(order: bytes, index: int, count: int) -> bytes:
    return order + le64(index) + le64(count)


def _segment_nonce(order: bytes, index: int) -> bytes:
    return labelled_hash(labels.SEGMENT_NONCE, order, le64(index))[:NONCE_BYTES]


def seal_segment(
    suite: Suite,
    content_key: bytes,
    signing_seed: bytes,
    order: bytes,
    index: int,
    count: int,
    piece: bytes,
) -> bytes:
    """signature ‖ object. Deterministic: the same arguments give the same bytes."""
    ad = _segment_ad(order, index, count)
    nonce = _segment_nonce(order, index)
    sealed = suite.cipher.seal_object(content_key, labels.USE_PARCEL, nonce, ad, piece)
    return signing.sign(signing_seed, labels.SEGMENT, ad + bulk_hash(sealed)) + sealed


def segment_object(segment: bytes | memoryview) -> memoryview:
    """The sealed object of a signed segment, without copying it."""
    return memoryview(segment)[SIGNATURE_BYTES:]


def check_segment(
    public: bytes, order: bytes, index: int, size: int, segment: bytes | memoryview
) -> memoryview:
    """Verify length and signature; returns the object without copying it.

    Raises MalformedMessage or SignatureInvalid: a transport fault; the caller requests the segment
    again.
    """
    if len(segment) != segment_length(size, index):
        raise MalformedMessage("A segment has the wrong length.")
    sealed = segment_object(segment)
    data = _segment_ad(order, index, piece_count(size)) + bulk_hash(sealed)
    signing.verify(public, labels.SEGMENT, data, bytes(segment[:SIGNATURE_BYTES]))
    return sealed


def open_segment(
    suite: Suite,
    content_key: bytes,
    order: bytes,
    index: int,
    size: int,
    pieces: bytes,
    sealed: memoryview | bytes,
) -> bytes:
    """The i-th piece of the promised list. Raises PieceMismatch: evidence against the merchant."""
    ad = _segment_ad(order, index, piece_count(size))
    try:
        piece = suite.cipher.open_object(content_key, labels.USE_PARCEL, ad, sealed)
    except OpenFailed as fault:
        raise PieceMismatch(f"Segment {index} does not open.") from fault
    promised = pieces[index * HASH_BYTES : (index + 1) * HASH_BYTES]
    if piece_hash(piece) != promised:
        raise PieceMismatch(f"Segment {index}.")
    return piece
