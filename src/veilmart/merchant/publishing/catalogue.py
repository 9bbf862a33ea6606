"""The published catalogue: made anew when the products on sale or the signing key changed.

One blob for everyone. Each names the hash of the one before, so that two customers who compare
what they were shown find out when it was not the same.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

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


@dataclass(frozen=True)
class PublishedCatalogue:
    """blob: as served. key_set: whose signing key verifies it."""

    serial: int
    hash: bytes
    key_set: int
    blob: bytes


_NEWEST = select(catalogues).order_by(catalogues.c.serial.desc()).limit(1)
_EMPTY_EARLIER = (
    update(catalogues).where(catalogues.c.serial < bindparam("newest")).values(blob=b"")
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


def publish_catalogue(
    connection: Connection,
    merchant: bytes,
    keys: KeySet,
    products: tuple[ShopProduct, ...],
    showcases: list[ShowcaseEntry],
    now: int,
) -> PublishedCatalogue:
    """Part of a transaction: the newest catalogue, made if the last one is out of date."""
    entries = catalogue_entries(products)
    digest = hashlib.sha256(encode((entries, showcases))).digest()
    newest = connection.execute(_NEWEST).first()
    if newest is not None and (newest.products_hash, newest.key_set) == (digest, keys.id):
        return PublishedCatalogue(newest.serial, newest.hash, newest.key_set, newest.blob)
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
    connection.execute(
        insert(catalogues).values(
            serial=published.serial,
            hash=published.hash,
            products_hash=digest,
            key_set=keys.id,
            blob=blob,
        )
    )
    connection.execute(_EMPTY_EARLIER, {"newest": published.serial})
    return published
