"""Covers and samples: stored beside the products, published as one blob per shelf."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select

from veilmart.errors import ProductGone
from veilmart.merchant.goods.shop_row import touch
from veilmart.merchant.schema.tables import pictures, products, showcase_pages, showcases
from veilmart.protocol.catalogue import ShowcaseEntry, page, page_count
from veilmart.protocol.encoding import encode
from veilmart.protocol.showcase import Picture, Showcase, make_blob, showcase_hash


@dataclass(frozen=True)
class Look:
    """A product's cover (JPEG, or empty) and free sample (any bytes, or empty)."""

    cover: bytes = b""
    sample_name: str = ""
    sample: bytes = b""

    @property
    def digest(self) -> bytes:
        """32 bytes."""
        return hashlib.sha256(encode((self.cover, self.sample_name, self.sample))).digest()


Sample = tuple[str, bytes]  # file name and content, both empty for none

_DIGESTS = (
    select(products.c.shelf, pictures.c.product, pictures.c.digest)
    .join(products, products.c.id == pictures.c.product)
    .where(products.c.removed.is_(False))
    .order_by(products.c.shelf, pictures.c.product)
)
_PICTURES = (
    select(pictures)
    .join(products, products.c.id == pictures.c.product)
    .where(products.c.shelf == bindparam("at"), products.c.removed.is_(False))
    .order_by(pictures.c.product)
)
_CURRENT = select(showcases).order_by(showcases.c.shelf)
_PAGE = select(showcase_pages.c.data).where(
    showcase_pages.c.shelf == bindparam("at"), showcase_pages.c.page == bindparam("number")
)
_DROP = delete(showcases).where(showcases.c.shelf == bindparam("at"))
_DROP_PAGES = delete(showcase_pages).where(showcase_pages.c.shelf == bindparam("at"))
_DROP_PICTURE = delete(pictures).where(pictures.c.product == bindparam("of"))


def look_digests(connection: Connection) -> dict[bytes, bytes]:
    """Transaction: by product id, of what is stored; products with nothing are not named."""
    return {row.product: bytes(row.digest) for row in connection.execute(_DIGESTS)}


def set_look(connection: Connection, product: bytes, look: Look) -> None:
    """Part of a transaction: replace a product's cover and sample; an empty look removes both.

    It does not raise the shop's revision.
    """
    connection.execute(_DROP_PICTURE, {"of": product})
    if look != Look():
        values = {"product": product, **vars(look), "digest": look.digest}
        connection.execute(insert(pictures), values)


def look_of(connection: Connection, product: bytes) -> Look:
    """Transaction: a product's cover and sample as they are stored."""
    row = connection.execute(select(pictures).where(pictures.c.product == product)).first()
    return Look() if row is None else Look(bytes(row.cover), row.sample_name, bytes(row.sample))


def change_look(
    connection: Connection, product: bytes, *, cover: bytes | None, sample: Sample | None
) -> None:
    """Transaction: replace what is given, keep the rest. An empty cover or sample removes it."""
    old = look_of(connection, product)
    name, data = (old.sample_name, old.sample) if sample is None else sample
    set_look(connection, product, Look(old.cover if cover is None else cover, name, data))
    touch(connection)


def wanted_showcases(connection: Connection) -> dict[int, bytes]:
    """Transaction: by shelf, a hash of all that its blob shows; shelves with nothing are absent."""
    wanted: dict[int, bytes] = {}
    for shelf, product, digest in connection.execute(_DIGESTS):
        wanted[shelf] = hashlib.sha256(wanted.get(shelf, b"") + product + digest).digest()
    return wanted


def publish_showcases(connection: Connection, wanted: dict[int, bytes]) -> list[ShowcaseEntry]:
    """Part of a transaction: the blobs of all shelves, made anew where anything in them changed.

    wanted: from `wanted_showcases`.
    """
    current = {row.shelf: row for row in connection.execute(_CURRENT).all()}
    entries = []
    for shelf in current.keys() - wanted.keys():
        _drop(connection, shelf)
    for shelf in sorted(wanted):
        row = current.get(shelf)
        if row is not None and row.inputs == wanted[shelf]:
            entries.append(ShowcaseEntry(shelf=shelf, hash=row.hash, size=row.size))
        else:
            entries.append(_publish(connection, shelf, wanted[shelf]))
    return entries


def _publish(connection: Connection, shelf: int, inputs: bytes) -> ShowcaseEntry:
    shown = [
        Picture(
            product=row.product, cover=row.cover, sample_name=row.sample_name, sample=row.sample
        )
        for row in connection.execute(_PICTURES, {"at": shelf})
    ]
    blob = make_blob(Showcase(shelf=shelf, pictures=shown))
    entry = ShowcaseEntry(shelf=shelf, hash=showcase_hash(blob), size=len(blob))
    _drop(connection, shelf)
    values = {"shelf": shelf, "inputs": inputs, "hash": entry.hash, "size": entry.size}
    connection.execute(insert(showcases), values)
    for number in range(page_count(len(blob))):
        values = {"shelf": shelf, "page": number, "data": page(blob, number)}
        connection.execute(insert(showcase_pages), values)
    return entry


def _drop(connection: Connection, shelf: int) -> None:
    connection.execute(_DROP_PAGES, {"at": shelf})
    connection.execute(_DROP, {"at": shelf})


def showcase_page(connection: Connection, shelf: int, number: int) -> bytes:
    """Transaction: one page of the newest blob. Raises ProductGone when there is no such page."""
    data = connection.execute(_PAGE, {"at": shelf, "number": number}).scalar_one_or_none()
    if data is None:
        raise ProductGone
    return bytes(data)
