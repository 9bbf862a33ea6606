"""The running server's view of the shop: one immutable snapshot, replaced on change."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from veilmart.crypto.identity import IdentityKey
from veilmart.errors import Misuse
from veilmart.merchant.goods.products import ShopProduct, load_products
from veilmart.merchant.goods.shelves import code_shelves, load_shelves
from veilmart.merchant.goods.shop_row import ShopRow, read_shop
from veilmart.merchant.goods.showcases import publish_showcases, wanted_showcases
from veilmart.merchant.publishing.brokers import PinnedBroker, load_brokers
from veilmart.merchant.publishing.catalogue import (
    PublishedCatalogue,
    draft_catalogue,
    newest_catalogue,
    publish_catalogue,
    published_of,
    store_catalogue,
)
from veilmart.merchant.publishing.descriptors import (
    Published,
    publish_descriptor,
    valid_descriptors,
)
from veilmart.protocol.catalogue import ShowcaseEntry
from veilmart.protocol.descriptor import Shelf
from veilmart.protocol.ports import Random
from veilmart.storage.database.columns import AnyRow
from veilmart.storage.database.port import Database


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


@dataclass(frozen=True)
class Goods:
    """All that stands in the shop at one revision. showcases: from `wanted_showcases`."""

    row: ShopRow
    products: tuple[ShopProduct, ...]
    showcases: dict[int, bytes]
    shelves: tuple[Shelf, ...]
    code_shelves: frozenset[int]
    brokers: tuple[PinnedBroker, ...]
    newest: AnyRow | None


@dataclass(frozen=True)
class Documents:
    """What is published beside the catalogue."""

    valid: tuple[Published, ...]
    showcases: list[ShowcaseEntry]


def read_goods(connection: Connection) -> Goods:
    """Transaction that only reads: work that grows with the shop."""
    return Goods(
        row=read_shop(connection),
        products=load_products(connection),
        showcases=wanted_showcases(connection),
        shelves=load_shelves(connection),
        code_shelves=code_shelves(connection),
        brokers=load_brokers(connection),
        newest=newest_catalogue(connection),
    )


def publish_documents(
    connection: Connection, key: IdentityKey, goods: Goods, now: int, random: Random
) -> Documents | None:
    """Transaction: descriptor and showcases, as far as they are due; short when nothing is.

    None when the shop has changed since the goods were read.
    """
    if read_shop(connection).revision != goods.row.revision:
        return None
    publish_descriptor(connection, key, now, random)
    valid = tuple(valid_descriptors(connection, now))
    return Documents(valid, publish_showcases(connection, goods.showcases))


def shop_of(
    goods: Goods, documents: Documents, catalogue: PublishedCatalogue, fingerprint: bytes
) -> Shop:
    """The snapshot."""
    return Shop(
        revision=goods.row.revision,
        decimals=goods.row.decimals,
        fingerprint=fingerprint,
        newest=documents.valid[-1],
        descriptors={published.known.hash: published for published in documents.valid},
        catalogue=catalogue,
        shelves={shelf.id: shelf for shelf in goods.shelves},
        products={product.id: product for product in goods.products},
        code_shelves=goods.code_shelves,
        brokers={broker.fingerprint: broker for broker in goods.brokers},
    )


def load_shop(
    connection: Connection, key: IdentityKey, fingerprint: bytes, now: int, random: Random
) -> Shop:
    """Transaction: publish what has to be published, then everything in one consistent view.

    For commands. A running server uses `open_snapshot`, which keeps the writer for moments only.
    """
    goods = read_goods(connection)
    documents = publish_documents(connection, key, goods, now, random)
    if documents is None:
        raise Misuse("The shop changed within a transaction.")
    keys = documents.valid[-1].keys
    published = publish_catalogue(
        connection, fingerprint, keys, goods.products, documents.showcases, now
    )
    return shop_of(goods, documents, published, fingerprint)


async def open_snapshot(
    database: Database, key: IdentityKey, fingerprint: bytes, now: int, random: Random
) -> Shop:
    """`load_shop` beside customers: what grows with the shop is done outside of the writer.

    A command that changes the shop meanwhile makes it begin again.
    """
    while True:
        goods = await asyncio.to_thread(database.read_now, read_goods)
        documents = await database.run(publish_documents, key, goods, now, random)
        if documents is None:
            continue
        keys, showcases = documents.valid[-1].keys, documents.showcases
        draft = await asyncio.to_thread(
            draft_catalogue, goods.newest, fingerprint, keys, goods.products, showcases, now
        )
        if draft is None:
            return shop_of(goods, documents, published_of(goods.newest), fingerprint)
        if await database.run(store_catalogue, draft):
            return shop_of(goods, documents, draft.catalogue, fingerprint)
