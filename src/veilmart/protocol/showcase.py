"""A shelf's covers and free samples: one padded blob, the same for everyone (08-goods.md, 8.5).

blob = LE32 length ‖ body ‖ zeros, to Padmé's size rounded up to 1 KiB. The signed catalogue names
its hash and length, so it needs no signature of its own.
"""

from typing import Annotated

from msgspec import Meta

from veilmart.crypto.padding import cells, pad_message, padme, unpad_message
from veilmart.errors import MalformedMessage, SignatureInvalid
from veilmart.limits import (
    COVER_MAX_BYTES,
    NAME_MAX_BYTES,
    PRODUCTS_MAX,
    SAMPLE_MAX_BYTES,
    SHOWCASE_MAX_BYTES,
)
from veilmart.protocol import labels
from veilmart.protocol.catalogue import LENGTH_BYTES, ShowcaseEntry
from veilmart.protocol.encoding import Bytes16, Message, Natural, decode, encode, labelled_hash


class Picture(Message, frozen=True):
    """cover: a JPEG file, or empty. sample: any bytes, or empty; sample_name: its file name."""

    product: Bytes16
    cover: Annotated[bytes, Meta(max_length=COVER_MAX_BYTES)]
    sample_name: Annotated[str, Meta(max_length=NAME_MAX_BYTES)]
    sample: Annotated[bytes, Meta(max_length=SAMPLE_MAX_BYTES)]


class Showcase(Message, frozen=True):
    """pictures: only of products that have any, by product id."""

    shelf: Natural
    pictures: Annotated[list[Picture], Meta(max_length=PRODUCTS_MAX)]


def showcase_hash(blob: bytes) -> bytes:
    return labelled_hash(labels.SHOWCASE_HASH, blob)


def make_blob(showcase: Showcase) -> bytes:
    """The padded blob. Raises MalformedMessage when it is larger than 64 MiB."""
    body = encode(showcase)
    needed = cells(padme(LENGTH_BYTES + len(body)))
    blob = pad_message(body, needed)
    if len(blob) > SHOWCASE_MAX_BYTES:
        raise MalformedMessage("The covers and samples of a shelf are too large together.")
    return blob


def open_showcase(blob: bytes, entry: ShowcaseEntry) -> Showcase:
    """Check against the catalogue and parse. Raises SignatureInvalid, MalformedMessage."""
    if len(blob) != entry.size or showcase_hash(blob) != entry.hash:
        raise SignatureInvalid("The covers are not those that the catalogue names.")
    showcase = decode(Showcase, unpad_message(blob), SHOWCASE_MAX_BYTES)
    if showcase.shelf != entry.shelf:
        raise MalformedMessage("The covers are another shelf's.")
    return showcase
