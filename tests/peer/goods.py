"""Page 8: the catalogue, pieces, segments, the padding of products."""

from __future__ import annotations

from blake3 import blake3
from msgspec import Struct

from .client import Kind, Tunnel
from .descriptors import Descriptor
from .notation import (
    Bytes16,
    Bytes32,
    Number,
    PeerError,
    decode,
    le,
    named_hash,
    require,
    verify_ed25519,
)
from .suites import Suite, object_length

PIECE = 1024 * 1024
PAGE = 256 * 1024
PREFIX = 32 + 8 + 2
_REFUSED = """
0000-001F 007F-00A0 00AD-00AD 0600-0605 061C-061C 06DD-06DD 070F-070F 0890-0891 08E2-08E2 1680-1680
180E-180E 2000-200F 2028-202F 205F-206F 3000-3000 D800-F8FF FEFF-FEFF FFF9-FFFB 110BD-110BD
110CD-110CD 13430-1343F 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF F0000-10FFFF
"""


class Catalogue(Kind):
    """One page of the blob (page 7)."""

    hash: Bytes32
    pages: Number
    data: bytes


class Product(Struct, forbid_unknown_fields=True):
    """One product (8.3)."""

    id: Bytes16
    shelf: Number
    version: Number
    file_name: str
    title: str
    description: str
    size: Number
    root: Bytes32
    available: bool
    tags: list[str]


class Showcase(Struct, forbid_unknown_fields=True):
    """Where the covers and samples of a shelf are (8.5); not fetched here."""

    shelf: Number
    hash: Bytes32
    size: Number


class CatalogueBody(Struct, forbid_unknown_fields=True):
    """The signed part of the blob (8.3)."""

    merchant: Bytes32
    serial: Number
    previous: Bytes32
    made_at: Number
    products: list[Product]
    showcases: list[Showcase]


def padme(length: int) -> int:
    """8.2."""
    exponent = length.bit_length() - 1
    bits = exponent - exponent.bit_length()
    return -(-length >> bits) << bits


def round_up(length: int) -> int:
    """To the next whole KiB."""
    return -(-length // 1024) * 1024


def fetch_catalogue(tunnel: Tunnel) -> CatalogueBody:
    """All pages of the newest catalogue, joined and checked."""
    pages: list[bytes] = []
    count, name = 1, b""
    while len(pages) < count:
        message = {"kind": "catalogue", "page": len(pages), "known": b""}
        said, _ = tunnel.ask(message, Catalogue, 1)
        require(name in (b"", said.hash), "catalogue stays the same between pages")
        count, name = said.pages, said.hash
        pages.append(said.data)
    require(all(len(page) == PAGE for page in pages[:-1]), "length of the catalogue's pages")
    blob = b"".join(pages)
    require(named_hash("catalogue hash", blob) == name, "catalogue hash")
    return open_catalogue(blob, tunnel.merchant)


def open_catalogue(blob: bytes, merchant: Descriptor) -> CatalogueBody:
    """8.3."""
    padded = blob[64:]
    verify_ed25519(merchant.body.signing_key, "catalogue", blob[:64], padded)
    length = int.from_bytes(padded[:4], "little")
    require(len(blob) == round_up(padme(64 + 4 + length)), "length of the catalogue")
    require(not any(padded[4 + length :]), "catalogue ends in zeros")
    body = decode(padded[4 : 4 + length], CatalogueBody)
    require(body.merchant == merchant.fingerprint, "catalogue is the merchant's")
    return body


def piece_lengths(size: int) -> list[int]:
    """Lengths of the pieces of a padded product."""
    return [min(PIECE, size - at) for at in range(0, size, PIECE)]


def check_segment(
    signed: bytes, length: int, public: bytes, order: bytes, i: int, count: int
) -> bytes:
    """The object of a signed segment of a piece of `length` bytes (8.4)."""
    require(len(signed) == 64 + object_length(length), "length of the segment")
    place = order + le(i) + le(count)
    verify_ed25519(public, "segment", signed[:64], place + bulk_hash(signed[64:]))
    return signed[64:]


def open_segment(
    suite: Suite, key: bytes, sealed: bytes, order: bytes, i: int, count: int
) -> bytes:
    """The piece in a segment's object (8.4)."""
    nonce = named_hash("segment nonce", order, le(i))[:24]
    return suite.open_object(key, "parcel", nonce, order + le(i) + le(count), sealed)


def unpad_product(padded: bytes) -> tuple[str, bytes]:
    """File name and content of a padded product (8.1)."""
    length = int.from_bytes(padded[32:40], "little")
    start = PREFIX + int.from_bytes(padded[40:42], "little")
    require(start + length <= len(padded), "length and name fit")
    require(not any(padded[start + length :]), "zeros after the content")
    try:
        name = padded[PREFIX:start].decode()
    except UnicodeDecodeError as error:
        raise PeerError("file name is not UTF-8") from error
    ranges = [tuple(int(end, 16) for end in pair.split("-")) for pair in _REFUSED.split()]
    refused = any(first <= ord(c) <= last for c in name for first, last in ranges)  # 1.7
    plain = not refused and not name.startswith(".") and not set(name) & set("/\\")
    require(plain and 1 <= len(name.encode()) <= 200, "plain file name")
    return name, padded[start : start + length]


def bulk_hash(data: bytes) -> bytes:
    """Plain BLAKE3-256, without a label: pieces and sealed objects."""
    return blake3(data).digest()
