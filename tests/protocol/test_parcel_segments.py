"""Parcels (docs/protocol/08-goods.md, 8.1 and 8.4): segments of a shelf, sealed and signed."""

from dataclasses import dataclass
from hashlib import sha256

import pytest
from blake3 import blake3
from hypothesis import given, strategies as st

from tests.protocol.protocol_samples import (
    CONTENT_KEY,
    MERCHANT_PUBLIC,
    MERCHANT_SEED,
    SUITE_IDS,
    SUITES,
    flipped,
    seeded,
)
from veilmart.crypto import signing
from veilmart.crypto.suite import Suite
from veilmart.errors import MalformedMessage, PieceMismatch, SignatureInvalid
from veilmart.limits import PIECE_BYTES
from veilmart.protocol.parcel import (
    check_piece_list,
    check_segment,
    open_segment,
    piece_count,
    piece_hash,
    piece_length,
    piece_list_root,
    seal_segment,
    segment_length,
)

ORDER = b"O" * 32
KIB = 1024
SIZES = [KIB, PIECE_BYTES, PIECE_BYTES + KIB]


@dataclass(frozen=True)
class Parcel:
    """A padded product, cut, with one order's segments of it."""

    suite: Suite
    size: int
    pieces: list[bytes]
    piece_list: bytes
    segments: list[bytes]

    def check(self, index: int, segment: bytes, order: bytes = ORDER) -> memoryview:
        return check_segment(MERCHANT_PUBLIC, order, index, self.size, segment)

    def open(self, index: int, sealed: memoryview | bytes, *, key: bytes = CONTENT_KEY) -> bytes:
        return open_segment(self.suite, key, ORDER, index, self.size, self.piece_list, sealed)


def seal(suite: Suite, index: int, count: int, piece: bytes, order: bytes = ORDER) -> bytes:
    return seal_segment(suite, CONTENT_KEY, MERCHANT_SEED, order, index, count, piece)


def parcel(suite: Suite, size: int) -> Parcel:
    product = seeded(size)(size)
    count = piece_count(size)
    pieces = [product[i * PIECE_BYTES : (i + 1) * PIECE_BYTES] for i in range(count)]
    segments = [seal(suite, i, count, piece) for i, piece in enumerate(pieces)]
    return Parcel(suite, size, pieces, b"".join(map(piece_hash, pieces)), segments)


@pytest.fixture(scope="module", params=SUITES, ids=SUITE_IDS)
def suite(request: pytest.FixtureRequest) -> Suite:
    chosen: Suite = request.param
    return chosen


@pytest.fixture(scope="module", params=SIZES, ids=["1-KiB", "1-MiB", "1-MiB-and-1-KiB"])
def made(request: pytest.FixtureRequest, suite: Suite) -> Parcel:
    return parcel(suite, request.param)


@pytest.fixture(scope="module")
def two(suite: Suite) -> Parcel:
    return parcel(suite, PIECE_BYTES + KIB)


def test_every_segment_opens_to_its_piece(made: Parcel) -> None:
    check_piece_list(made.piece_list, piece_list_root(made.piece_list), made.size)
    for index, segment in enumerate(made.segments):
        assert len(segment) == segment_length(made.size, index)
        assert made.open(index, made.check(index, segment)) == made.pieces[index]


def test_asked_for_again_it_is_the_same_bytes(made: Parcel) -> None:
    again = parcel(made.suite, made.size)
    assert again.segments == made.segments


def test_equal_pieces_of_two_orders_look_different(suite: Suite) -> None:
    piece = bytes(KIB)
    one, other = seal(suite, 0, 1, piece), seal(suite, 0, 1, piece, order=b"?" * 32)
    assert one[64 + 7 : 64 + 31] != other[64 + 7 : 64 + 31]
    assert one[-100:] != other[-100:]


def test_a_changed_bit_is_a_transport_fault(made: Parcel) -> None:
    segment = made.segments[-1]
    last = len(segment) - 1
    for index in [0, 63, 64, 70, 71, 94, 95, 126, 127, last - 32, last]:
        with pytest.raises(SignatureInvalid):
            made.check(len(made.segments) - 1, flipped(segment, index))


def test_a_wrong_length_is_a_transport_fault(made: Parcel) -> None:
    last = len(made.segments) - 1
    segment = made.segments[last]
    for changed in (b"", segment[:-1], segment + b"\0", segment[: len(segment) // 2]):
        with pytest.raises(MalformedMessage):
            made.check(last, changed)


def test_wrong_index(suite: Suite) -> None:
    """Two equally long segments of one order in each other's place."""
    big = parcel(suite, 2 * PIECE_BYTES)
    for index in (0, 1):
        with pytest.raises(SignatureInvalid):
            big.check(index, big.segments[1 - index])


def test_wrong_order(two: Parcel) -> None:
    with pytest.raises(SignatureInvalid):
        two.check(0, two.segments[0], order=b"?" * 32)


def test_a_segment_of_a_shorter_product(suite: Suite) -> None:
    """The count is signed: piece 0 of one piece is not piece 0 of two."""
    alone = parcel(suite, PIECE_BYTES)
    with pytest.raises(SignatureInvalid):
        check_segment(MERCHANT_PUBLIC, ORDER, 0, PIECE_BYTES + KIB, alone.segments[0])


def test_signed_by_somebody_else(two: Parcel) -> None:
    foreign = seal_segment(
        two.suite, CONTENT_KEY, b"?" * 32, ORDER, 0, len(two.pieces), two.pieces[0]
    )
    with pytest.raises(SignatureInvalid):
        two.check(0, foreign)


def test_the_signature_is_over_what_page_1_says(two: Parcel) -> None:
    segment = two.segments[1]
    data = ORDER + (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    data += blake3(segment[64:]).digest()
    signing.verify(MERCHANT_PUBLIC, "veilmart 2026 segment", data, segment[:64])


class TestEvidence:
    """Truly signed, and yet not what was promised."""

    def test_wrong_piece(self, two: Parcel) -> None:
        other = seal(two.suite, 1, 2, bytes(KIB))
        with pytest.raises(PieceMismatch):
            two.open(1, two.check(1, other))

    def test_wrong_content_key(self, two: Parcel) -> None:
        sealed = two.check(1, two.segments[1])
        with pytest.raises(PieceMismatch):
            two.open(1, sealed, key=b"?" * 32)

    def test_sealed_for_another_order(self, two: Parcel) -> None:
        foreign = seal(two.suite, 1, 2, two.pieces[1], order=b"?" * 32)
        with pytest.raises(PieceMismatch):
            two.open(1, foreign[64:])

    def test_sealed_for_another_index(self, suite: Suite) -> None:
        big = parcel(suite, 2 * PIECE_BYTES)
        with pytest.raises(PieceMismatch):
            big.open(0, big.segments[1][64:])

    def test_sealed_in_the_other_suite(self, two: Parcel) -> None:
        other = next(candidate for candidate in SUITES if candidate.id != two.suite.id)
        foreign = seal(other, 1, 2, two.pieces[1])
        with pytest.raises(PieceMismatch):
            two.open(1, two.check(1, foreign))

    def test_junk_of_the_right_length(self, two: Parcel) -> None:
        with pytest.raises(PieceMismatch):
            two.open(1, bytes(len(two.segments[1]) - 64))


class TestPieceList:
    def test_another_list(self, two: Parcel) -> None:
        root = piece_list_root(two.piece_list)
        swapped = two.piece_list[32:] + two.piece_list[:32]
        for wrong in (b"", two.piece_list[:32], two.piece_list + bytes(32), swapped):
            with pytest.raises(PieceMismatch) as caught:
                check_piece_list(wrong, root, two.size)
            assert caught.value.money_now == "No money moved."

    def test_another_size(self, two: Parcel) -> None:
        root = piece_list_root(two.piece_list)
        for size in (PIECE_BYTES, 2 * PIECE_BYTES + KIB):
            with pytest.raises(PieceMismatch):
                check_piece_list(two.piece_list, root, size)

    def test_the_root_is_that_of_page_8(self, two: Parcel) -> None:
        hashes = b"".join(blake3(piece).digest() for piece in two.pieces)
        expected = sha256(b"veilmart 2026 piece list\0" + hashes).digest()
        assert piece_list_root(two.piece_list) == expected


@given(st.integers(1, 2**24))
def test_pieces_make_up_the_product(cells: int) -> None:
    size = cells * KIB
    count = piece_count(size)
    lengths = {piece_length(size, index) for index in range(min(count - 1, 3))}
    assert lengths <= {PIECE_BYTES}
    assert (count - 1) * PIECE_BYTES + piece_length(size, count - 1) == size
    assert 0 < piece_length(size, count - 1) <= PIECE_BYTES


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (KIB, 64 + 63 + 1024 + 32),
        (64 * KIB, 64 + 63 + 65536 + 2 * 32),
        (PIECE_BYTES, 64 + 63 + 2**20 + 17 * 32),
    ],
)
def test_segment_lengths(size: int, expected: int) -> None:
    assert segment_length(size, 0) == expected
