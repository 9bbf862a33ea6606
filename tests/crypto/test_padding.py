"""Padding at the edges: nothing is off by one, nothing malformed is taken."""

import math

import pytest
from hypothesis import given, strategies as st

from veilmart.characters import is_plain
from veilmart.crypto import padding
from veilmart.errors import BadName, MalformedMessage, Misuse, PaddingInvalid
from veilmart.limits import CELL_BYTES, INTEGER_MAX

KIB = 1024
RANDOM32 = bytes(range(32))


@pytest.mark.parametrize(
    ("size", "expected"), [(0, 0), (1, 1), (1023, 1), (1024, 1), (1025, 2), (2048, 2), (2049, 3)]
)
def test_cells(size: int, expected: int) -> None:
    assert padding.cells(size) == expected


@given(st.integers(2, 2**50))
def test_padme_is_the_papers_algorithm(size: int) -> None:
    exponent = math.floor(math.log2(size)) if size < 2**40 else size.bit_length() - 1
    kept = math.floor(math.log2(exponent)) + 1 if exponent else 0
    mask = (1 << (exponent - kept)) - 1
    assert padding.padme(size) == (size + mask) & ~mask
    assert size <= padding.padme(size) <= size * 1.12
    assert padding.padme(padding.padme(size)) == padding.padme(size)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, 0), (1, 1), (2, 2), (8, 8), (9, 10), (1000, 1024), (1048577, 1081344)],
)
def test_padme_known_values(size: int, expected: int) -> None:
    assert padding.padme(size) == expected


@pytest.mark.parametrize(
    ("largest", "expected"),
    [
        (1, KIB),
        (KIB, KIB),
        (KIB + 1, 2 * KIB),
        (64 * KIB - 1, 64 * KIB),
        (64 * KIB, 64 * KIB),
        (64 * KIB + 1, 66 * KIB),
        (1 << 20, 1 << 20),
        ((1 << 20) + 1, 1081344),
    ],
)
def test_shelf_bytes(largest: int, expected: int) -> None:
    assert padding.shelf_bytes(largest) == expected


@given(st.integers(1, 2**45))
def test_shelves_are_whole_cells_and_hold_their_product(largest: int) -> None:
    size = padding.shelf_bytes(largest)
    assert size % CELL_BYTES == 0
    assert largest <= size <= max(largest * 1.12, largest) + CELL_BYTES


@pytest.mark.parametrize("count", [1, 2, 16])
@pytest.mark.parametrize("spare", [0, 1, 2, 1000])
def test_message_round_trip(count: int, spare: int) -> None:
    body = b"\x07" * (count * KIB - 4 - spare)
    padded = padding.pad_message(body, count)
    assert len(padded) == count * KIB
    assert padding.unpad_message(padded) == body


def test_message_edges() -> None:
    assert padding.unpad_message(padding.pad_message(b"", 1)) == b""
    with pytest.raises(Misuse):
        padding.pad_message(bytes(KIB - 3), 1)
    with pytest.raises(Misuse):
        padding.pad_message(b"", 0)
    for negative in (padding.cells, padding.padme, padding.shelf_bytes):
        with pytest.raises(Misuse):
            negative(-1)
    with pytest.raises(Misuse):
        padding.shelf_bytes(0)


def test_malformed_messages_are_refused() -> None:
    good = padding.pad_message(b"body", 1)
    for wrong in (
        b"",
        good[:3],
        (KIB - 3).to_bytes(4, "little") + good[4:],
        b"\xff\xff\xff\xff" + good[4:],
        good[:-1] + b"\1",
        good[:8] + b"\1" + good[9:],
        (3).to_bytes(4, "little") + good[4:],
    ):
        with pytest.raises(MalformedMessage):
            padding.unpad_message(wrong)


@given(name=st.text(min_size=1, max_size=66), content=st.binary(max_size=300))
def test_product_round_trip(name: str, content: bytes) -> None:
    try:
        prefix = padding.pack_product(RANDOM32, name, len(content))
    except BadName:
        assert not is_plain(name) or name[0] == "." or "/" in name or "\\" in name
        return
    packed = prefix + content + bytes(50)
    assert padding.parse_prefix(packed) == (name, len(content), len(prefix))


@pytest.mark.parametrize("name", ["a", "é" * 100, "x" * 200, "-", "名前.txt"])
def test_product_names_that_fit(name: str) -> None:
    prefix = padding.pack_product(RANDOM32, name, INTEGER_MAX)
    assert len(prefix) <= padding.PRODUCT_PREFIX_MAX_BYTES
    assert padding.parse_prefix(prefix) == (name, INTEGER_MAX, len(prefix))


BAD_NAMES = [
    "",
    "x" * 201,
    "é" * 101,
    "../x",
    "a/b",
    "a\\b",
    ".hidden",
    "..",
    "a\nb",
    "a\0",
    "\x1b[2J",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_product_names_that_do_not(name: str) -> None:
    with pytest.raises(BadName):
        padding.pack_product(RANDOM32, name, 0)
    encoded = name.encode()
    forged = RANDOM32 + bytes(8) + len(encoded).to_bytes(2, "little") + encoded + bytes(300)
    with pytest.raises(PaddingInvalid):
        padding.parse_prefix(forged)


def test_malformed_products_are_refused() -> None:
    good = padding.pack_product(RANDOM32, "name", 5) + b"hello" + bytes(10)
    for wrong in (
        b"",
        good[:41],
        good[:45],
        good[:42] + b"\xff" + good[43:],
        good[:32] + (2**53).to_bytes(8, "little") + good[40:],
        good[:40] + (201).to_bytes(2, "little") + good[42:] + bytes(300),
    ):
        with pytest.raises(PaddingInvalid):
            padding.parse_prefix(wrong)
    with pytest.raises(Misuse):
        padding.pack_product(RANDOM32[1:], "name", 0)
    with pytest.raises(Misuse):
        padding.pack_product(RANDOM32, "name", -1)


def test_is_zeros() -> None:
    assert padding.is_zeros(b"")
    assert padding.is_zeros(memoryview(bytes(1000)))
    assert not padding.is_zeros(bytes(999) + b"\1")
