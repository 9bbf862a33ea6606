"""The catalogue's blob (docs/protocol/08-goods.md, 8.3): signed, padded, paged."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from tests.protocol.protocol_samples import MERCHANT_PUBLIC, MERCHANT_SEED, NOW, flipped
from veilmart.crypto import signing
from veilmart.crypto.padding import pad_message
from veilmart.errors import MalformedMessage, PeerFault, SignatureInvalid
from veilmart.limits import CATALOGUE_PAGE_BYTES, CELL_BYTES
from veilmart.protocol import labels
from veilmart.protocol.catalogue import (
    Catalogue,
    Product,
    catalogue_hash,
    open_catalogue,
    page,
    page_count,
    sign_catalogue,
)
from veilmart.protocol.encoding import encode

MERCHANT = b"M" * 32


def product(number: int, title: str = "A product", available: bool = True) -> Product:
    return Product(
        id=number.to_bytes(16, "big"),
        shelf=1,
        version=1,
        file_name="file.txt",
        title=title,
        description="Words.",
        size=1000,
        root=number.to_bytes(32, "big"),
        available=available,
        tags=["a tag"],
    )


def catalogue(*products: Product, merchant: bytes = MERCHANT) -> Catalogue:
    return Catalogue(
        merchant=merchant,
        serial=1,
        previous=bytes(32),
        made_at=NOW,
        products=list(products),
        showcases=[],
    )


def signed_padded(padded: bytes) -> bytes:
    """Anything at all, correctly signed."""
    return signing.sign(MERCHANT_SEED, labels.CATALOGUE, padded) + padded


def many(count: int) -> Catalogue:
    return catalogue(*(product(number) for number in range(count)))


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 100, 2000])
def test_comes_out_as_it_went_in(count: int) -> None:
    made = many(count)
    blob = sign_catalogue(MERCHANT_SEED, made)
    opened = open_catalogue(blob, MERCHANT_PUBLIC, MERCHANT)
    assert opened.catalogue == made
    assert opened.blob == blob
    assert opened.hash == catalogue_hash(blob)


def padme(length: int) -> int:
    """Padmé as page 8 writes it, apart from the code."""
    exponent = length.bit_length() - 1
    keep = exponent.bit_length()
    mask = (1 << (exponent - keep)) - 1
    return (length + mask) & ~mask


@given(st.integers(0, 40), st.integers(0, 200))
def test_the_blob_is_as_long_as_page_8_says(count: int, title: int) -> None:
    made = catalogue(*(product(number, "t" * title) for number in range(count)))
    length = 64 + 4 + len(encode(made))
    cells = -(-padme(length) // CELL_BYTES)
    assert len(sign_catalogue(MERCHANT_SEED, made)) == cells * CELL_BYTES


def test_going_out_of_stock_does_not_show_in_the_length() -> None:
    full = sign_catalogue(MERCHANT_SEED, catalogue(product(1), product(2)))
    sold_out = sign_catalogue(MERCHANT_SEED, catalogue(product(1, available=False), product(2)))
    other_words = sign_catalogue(MERCHANT_SEED, catalogue(product(1, "B product"), product(2)))
    assert len(full) == len(sold_out) == len(other_words)
    assert len({catalogue_hash(blob) for blob in (full, sold_out, other_words)}) == 3


def test_a_changed_byte_anywhere_is_noticed() -> None:
    blob = sign_catalogue(MERCHANT_SEED, many(3))
    for index in [*range(0, len(blob), 13), len(blob) - 1]:
        with pytest.raises(SignatureInvalid):
            open_catalogue(flipped(blob, index), MERCHANT_PUBLIC, MERCHANT)


def test_cut_and_extended_blobs_are_noticed() -> None:
    blob = sign_catalogue(MERCHANT_SEED, many(30))
    for length in (0, 64, 1000, len(blob) - 1):
        with pytest.raises(MalformedMessage):
            open_catalogue(blob[:length], MERCHANT_PUBLIC, MERCHANT)
    with pytest.raises(MalformedMessage):
        open_catalogue(blob + b"\0", MERCHANT_PUBLIC, MERCHANT)
    for changed in (blob[: -CELL_BYTES or None], blob + bytes(CELL_BYTES)):
        with pytest.raises(SignatureInvalid):
            open_catalogue(changed, MERCHANT_PUBLIC, MERCHANT)


def test_signed_by_somebody_else() -> None:
    blob = sign_catalogue(b"?" * 32, many(3))
    with pytest.raises(SignatureInvalid):
        open_catalogue(blob, MERCHANT_PUBLIC, MERCHANT)


def test_another_merchants() -> None:
    blob = sign_catalogue(MERCHANT_SEED, catalogue(merchant=b"?" * 32))
    with pytest.raises(MalformedMessage):
        open_catalogue(blob, MERCHANT_PUBLIC, MERCHANT)


FIELDS = msgspec.to_builtins(many(1), builtin_types=(bytes,))

SIGNED_AND_WRONG: dict[str, tuple[bytes, type[PeerFault]]] = {
    "filler-not-zero": (
        pad_message(encode(many(0)), 1)[: 1024 - 64 - 1] + b"\1",
        MalformedMessage,
    ),
    "longer-than-the-blob": (b"\xff\xff\xff\x7f" + bytes(1024 - 64 - 4), MalformedMessage),
    "empty-body": (bytes(1024 - 64), MalformedMessage),
    "unknown-field": (
        pad_message(encode({**FIELDS, "colour": 1}), 1)[: 1024 - 64],
        MalformedMessage,
    ),
    "product-without-root": (
        pad_message(encode({**FIELDS, "products": [{"id": bytes(16)}]}), 1)[: 1024 - 64],
        MalformedMessage,
    ),
}


@pytest.mark.parametrize("name", SIGNED_AND_WRONG)
def test_truly_signed_and_wrong(name: str) -> None:
    padded, expected = SIGNED_AND_WRONG[name]
    with pytest.raises(PeerFault) as caught:
        open_catalogue(signed_padded(padded), MERCHANT_PUBLIC, MERCHANT)
    assert type(caught.value) is expected


def test_pages_make_up_the_blob() -> None:
    blob = sign_catalogue(MERCHANT_SEED, many(4000))
    count = page_count(len(blob))
    assert count > 1
    pages = [page(blob, index) for index in range(count)]
    assert b"".join(pages) == blob
    assert {len(part) for part in pages[:-1]} == {CATALOGUE_PAGE_BYTES}
    assert page(blob, count) == b""
    assert page_count(CATALOGUE_PAGE_BYTES) == 1
    assert page_count(CATALOGUE_PAGE_BYTES + 1) == 2
