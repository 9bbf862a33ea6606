"""The shop as the running server sees it: one immutable snapshot, replaced when it changes."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from veilmart.crypto.identity import IdentityKey
from veilmart.merchant.goods.products import ShopProduct, load_products
from veilmart.merchant.goods.shelves import code_shelves, load_shelves
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.goods.showcases import publish_showcases
from veilmart.merchant.publishing.brokers import PinnedBroker, load_brokers
from veilmart.merchant.publishing.catalogue import PublishedCatalogue, publish_catalogue
from veilmart.merchant.publishing.descriptors import (
    Published,
    publish_descriptor,
    valid_descriptors,
)
from veilmart.protocol.descriptor import Shelf
from veilmart.protocol.ports import Random


@dataclass(frozen=True)
class Shop:
    """Everything a select needs is in memory: choosing costs the same for every product.

    fingerprint: ours (32). descriptors: hash → still valid ones. brokers: by fingerprint.
    """

    revision: int
    decimals: int
    fingerprint: bytes
    newest: Published
    descriptors: Mapping[bytes, Published]
    catalogue: PublishedCatalogue
    shelves: Mapping[int, Shelf]
    products: Mapping[bytes, ShopProduct]
    code_shelves: frozenset[int]
    brokers: Mapping[bytes, PinnedBroker]


def load_shop(
    connection: Connection, key: IdentityKey, fingerprint: bytes, now: int, random: Random
) -> Shop:
    """Transaction: publish what has to be published, then everything in one consistent view."""
    publish_descriptor(connection, key, now, random)
    row = read_shop(connection)
    valid = valid_descriptors(connection, now)
    newest = valid[-1]
    products = load_products(connection)
    return Shop(
        revision=row.revision,
        decimals=row.decimals,
        fingerprint=fingerprint,
        newest=newest,
        descriptors={published.known.hash: published for published in valid},
        catalogue=publish_catalogue(
            connection,
            fingerprint,
            newest.keys,
            products,
            publish_showcases(connection, products),
            now,
        ),
        shelves={shelf.id: shelf for shelf in load_shelves(connection)},
        products={product.id: product for product in products},
        code_shelves=code_shelves(connection),
        brokers={broker.fingerprint: broker for broker in load_brokers(connection)},
    )
