"""The catalogue: one signed blob, padded, the same for everyone (docs/protocol/08-goods.md, 3).

blob = signature (64, by the merchant's offer key) ‖ LE32 length ‖ body ‖ zeros, to Padmé's size
rounded up to 1 KiB. It is fetched whole, page by page, and searched at the customer's.
"""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from veilmart.crypto import signing
from veilmart.crypto.padding import cells, pad_message, padme, unpad_message
from veilmart.errors import MalformedMessage
from veilmart.limits import (
    CATALOGUE_MAX_BYTES,
    CATALOGUE_PAGE_BYTES,
    CELL_BYTES,
    DESCRIPTION_MAX_BYTES,
    HASH_BYTES,
    NAME_MAX_BYTES,
    PRODUCTS_MAX,
    SHELVES_MAX,
    SHOWCASE_MAX_BYTES,
    TAG_MAX_BYTES,
    TAGS_MAX,
    TITLE_MAX_BYTES,
)
from veilmart.protocol import labels
from veilmart.protocol.encoding import (
    Bytes16,
    Bytes32,
    Message,
    Natural,
    decode,
    encode,
    labelled_hash,
)

SIGNATURE_BYTES = 64
LENGTH_BYTES = 4
NO_ROOT = bytes(HASH_BYTES)
"""The root of a product of unique codes: every copy has its own, named in the offer."""

Tag = Annotated[str, Meta(min_length=1, max_length=TAG_MAX_BYTES)]


class Product(Message, frozen=True):
    """A product as the merchant signs it.

    id: 16 random bytes, stable over versions. root: of the padded bytes, or NO_ROOT. size: true
    bytes, 0 for codes.
    """

    id: Bytes16
    shelf: Natural
    version: Natural
    file_name: Annotated[str, Meta(max_length=NAME_MAX_BYTES)]
    title: Annotated[str, Meta(max_length=TITLE_MAX_BYTES)]
    description: Annotated[str, Meta(max_length=DESCRIPTION_MAX_BYTES)]
    size: Natural
    root: Bytes32
    available: bool
    tags: Annotated[list[Tag], Meta(max_length=TAGS_MAX)]


class ShowcaseEntry(Message, frozen=True):
    """Hash and length of the blob with a shelf's covers and samples (protocol/showcase.py)."""

    shelf: Natural
    hash: Bytes32
    size: Annotated[int, Meta(ge=1, le=SHOWCASE_MAX_BYTES)]


class Catalogue(Message, frozen=True):
    """previous: catalogue hash of serial - 1, or 32 zeros."""

    merchant: Bytes32
    serial: Natural
    previous: Bytes32
    made_at: Natural
    products: Annotated[list[Product], Meta(max_length=PRODUCTS_MAX)]
    showcases: Annotated[list[ShowcaseEntry], Meta(max_length=SHELVES_MAX)]


@dataclass(frozen=True)
class SignedCatalogue:
    """A catalogue that was verified, with its blob and hash."""

    blob: bytes
    catalogue: Catalogue
    hash: bytes


def catalogue_hash(blob: bytes) -> bytes:
    return labelled_hash(labels.CATALOGUE_HASH, blob)


def sign_catalogue(seed: bytes, catalogue: Catalogue) -> bytes:
    """The padded blob."""
    body = encode(catalogue)
    needed = cells(padme(SIGNATURE_BYTES + LENGTH_BYTES + len(body)))
    padded = pad_message(body, needed)[: needed * CELL_BYTES - SIGNATURE_BYTES]
    return signing.sign(seed, labels.CATALOGUE, padded) + padded


def open_catalogue(blob: bytes, public: bytes, merchant: bytes) -> SignedCatalogue:
    """Verify and parse. Raises SignatureInvalid, MalformedMessage."""
    if len(blob) % CELL_BYTES or not SIGNATURE_BYTES < len(blob) <= CATALOGUE_MAX_BYTES:
        raise MalformedMessage("The catalogue has an impossible length.")
    padded = blob[SIGNATURE_BYTES:]
    signing.verify(public, labels.CATALOGUE, padded, blob[:SIGNATURE_BYTES])
    catalogue = decode(Catalogue, unpad_message(padded), CATALOGUE_MAX_BYTES)
    if catalogue.merchant != merchant:
        raise MalformedMessage("The catalogue is another merchant's.")
    return SignedCatalogue(blob, catalogue, catalogue_hash(blob))


def page_count(blob_bytes: int) -> int:
    return -(-blob_bytes // CATALOGUE_PAGE_BYTES)


def page(blob: bytes, index: int) -> bytes:
    """Page `index` from 0, empty past the end."""
    return blob[index * CATALOGUE_PAGE_BYTES : (index + 1) * CATALOGUE_PAGE_BYTES]
