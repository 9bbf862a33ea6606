"""The published catalogue: made anew when the products on sale or the signing key changed.

One blob for everyone. Each names the hash of the one before, so that two customers who compare
what they were shown find out when it was not the same.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select, update

from veilmart.merchant.goods.products import ShopProduct
from veilmart.merchant.publishing.key_sets import KeySet
from veilmart.merchant.schema.tables import catalogues
from veilmart.protocol.catalogue import (
    Catalogue,
    Product,
    ShowcaseEntry,
    catalogue_hash,
    sign_catalogue,
)
from veilmart.protocol.descriptor import FIRST_PREVIOUS
from veilmart.protocol.encoding import encode
from veilmart.storage.database.columns import AnyRow


@dataclass(frozen=True)
class PublishedCatalogue:
    """blob: as served. key_set: whose signing key verifies it."""

    serial: int
    hash: bytes
    key_set: int
    blob: bytes


_NEWEST = select(catalogues).order_by(catalogues.c.serial.desc()).limit(1)
_LAST_SERIAL = select(func.max(catalogues.c.serial))
_EMPTY_EARLIER = (
    update(catalogues)
    .where(catalogues.c.serial < bindparam("newest"), catalogues.c.blob != b"")
    .values(blob=b"")
)


def catalogue_entries(products: tuple[ShopProduct, ...]) -> list[Product]:
    """What customers see of the products, in the menu's order."""
    return [
        Product(
            id=product.id,
            shelf=product.shelf,
            version=product.version,
            file_name=product.file_name,
            title=product.title,
            description=product.description,
            size=product.size,
            root=product.root,
            available=product.available and product.in_stock,
            tags=product.tags.split("\n") if product.tags else [],
        )
        for product in products
    ]


@dataclass(frozen=True)
class CatalogueDraft:
    """A catalogue ready to be stored. products_hash: SHA-256 of what it lists."""

    catalogue: PublishedCatalogue
    products_hash: bytes


def draft_catalogue(
    newest: AnyRow | None,
    merchant: bytes,
    keys: KeySet,
    products: tuple[ShopProduct, ...],
    showcases: list[ShowcaseEntry],
    now: int,
) -> CatalogueDraft | None:
    """Pure: the catalogue that follows `newest` (of `newest_catalogue`); None when that will do.

    Work that grows with the shop, for any thread and outside of every transaction.
    """
    entries = catalogue_entries(products)
    digest = hashlib.sha256(encode((entries, showcases))).digest()
    if newest is not None and (newest.products_hash, newest.key_set) == (digest, keys.id):
        return None
    catalogue = Catalogue(
        merchant=merchant,
        serial=1 if newest is None else newest.serial + 1,
        previous=FIRST_PREVIOUS if newest is None else newest.hash,
        made_at=now,
        products=entries,
        showcases=showcases,
    )
    blob = sign_catalogue(keys.seed, catalogue)
    published = PublishedCatalogue(catalogue.serial, catalogue_hash(blob), keys.id, blob)
    return CatalogueDraft(published, digest)


def newest_catalogue(connection: Connection) -> AnyRow | None:
    """Transaction: the row of the newest one, if any."""
    return connection.execute(_NEWEST).first()


def store_catalogue(connection: Connection, draft: CatalogueDraft) -> bool:
    """Part of a transaction: publish it; False when another one was published meanwhile."""
    fresh = draft.catalogue
    last = connection.execute(_LAST_SERIAL).scalar()
    if last is not None and last + 1 != fresh.serial:
        return False
    connection.execute(
        insert(catalogues).values(
            serial=fresh.serial,
            hash=fresh.hash,
            products_hash=draft.products_hash,
            key_set=fresh.key_set,
            blob=fresh.blob,
        )
    )
    connection.execute(_EMPTY_EARLIER, {"newest": fresh.serial})
    return True


def published_of(row: AnyRow) -> PublishedCatalogue:
    """From the row of `newest_catalogue`."""
    return PublishedCatalogue(row.serial, row.hash, row.key_set, row.blob)
