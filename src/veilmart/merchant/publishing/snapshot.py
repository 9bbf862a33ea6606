"""The running server's view of the shop: one immutable snapshot, replaced on change."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection

from veilmart.crypto.identity import IdentityKey, public_spki
from veilmart.merchant.goods.products import ShopProduct, load_products
from veilmart.merchant.goods.shelves import code_shelves, load_shelves
from veilmart.merchant.goods.shop_row import ShopRow, read_shop
from veilmart.merchant.goods.showcases import publish_showcases, wanted_showcases
from veilmart.merchant.publishing.brokers import PinnedBroker, load_brokers
from veilmart.merchant.publishing.catalogue import (
    PublishedCatalogue,
    draft_catalogue,
    newest_catalogue,
    published_of,
    store_catalogue,
)
from veilmart.merchant.publishing.descriptors import (
    DueDescriptor,
    Published,
    due_descriptor,
    make_descriptor,
    store_descriptor,
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
    """All that stands in the shop at one revision. showcases: from `wanted_showcases`.

    due: the descriptor that has to be made, if any.
    """

    row: ShopRow
    products: tuple[ShopProduct, ...]
    showcases: dict[int, bytes]
    shelves: tuple[Shelf, ...]
    code_shelves: frozenset[int]
    brokers: tuple[PinnedBroker, ...]
    newest: AnyRow | None
    due: DueDescriptor | None


def read_goods(connection: Connection, spki: bytes, now: int) -> Goods:
    """A reading: work that grows with the shop, and what has to be published."""
    return Goods(
        row=read_shop(connection),
        products=load_products(connection),
        showcases=wanted_showcases(connection),
        shelves=load_shelves(connection),
        code_shelves=code_shelves(connection),
        brokers=load_brokers(connection),
        newest=newest_catalogue(connection),
        due=due_descriptor(connection, spki, now),
    )


def publish_documents(
    connection: Connection, goods: Goods, made: Published | None
) -> list[ShowcaseEntry] | None:
    """Transaction: store descriptor and showcases, as far as they are due; short when nothing is.

    None, with nothing stored, when the shop has changed since the goods were read.
    """
    if read_shop(connection).revision != goods.row.revision:
        return None
    due = goods.due
    if due is not None and made is not None and not store_descriptor(connection, due, made):
        return None
    return publish_showcases(connection, goods.showcases)


@dataclass(frozen=True)
class Step:
    """One step of publishing: in a transaction, in a reading, or with no database at all."""

    where: Literal["run", "read", "think"]
    # Any: each step has arguments and a result of its own, which `publish` alone knows.
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def publish(
    key: IdentityKey, fingerprint: bytes, now: int, random: Random
) -> Generator[Step, Any, Shop]:  # Any: what a step gives back
    """Publish what has to be published, then everything in one consistent view.

    What grows with the shop is read beside the writer, and nothing is signed or verified in a
    transaction. A command that changes the shop meanwhile makes it begin again.
    """
    spki = public_spki(key)
    while True:
        goods: Goods = yield Step("read", read_goods, (spki, now))
        made = None
        if goods.due is not None:
            made = yield Step("think", make_descriptor, (goods.due, key, now, random))
        showcases = yield Step("run", publish_documents, (goods, made))
        if showcases is None:
            continue
        valid: tuple[Published, ...] = yield Step("read", valid_descriptors, (now,))
        keys = valid[-1].keys
        material = goods.newest, fingerprint, keys, goods.products, showcases, now
        draft = yield Step("think", draft_catalogue, material)
        if draft is None:
            return _shop_of(goods, valid, published_of(goods.newest), fingerprint)
        if (yield Step("run", store_catalogue, (draft,))):
            return _shop_of(goods, valid, draft.catalogue, fingerprint)


def _shop_of(
    goods: Goods, valid: tuple[Published, ...], catalogue: PublishedCatalogue, fingerprint: bytes
) -> Shop:
    return Shop(
        revision=goods.row.revision,
        decimals=goods.row.decimals,
        fingerprint=fingerprint,
        newest=valid[-1],
        descriptors={published.known.hash: published for published in valid},
        catalogue=catalogue,
        shelves={shelf.id: shelf for shelf in goods.shelves},
        products={product.id: product for product in goods.products},
        code_shelves=goods.code_shelves,
        brokers={broker.fingerprint: broker for broker in goods.brokers},
    )


def load_shop(
    database: Database, key: IdentityKey, fingerprint: bytes, now: int, random: Random
) -> Shop:
    """`publish` for commands: blocks."""
    steps, answer = publish(key, fingerprint, now, random), None
    try:
        while True:
            step = steps.send(answer)
            if step.where == "think":
                answer = step.function(*step.arguments)
            else:
                does = database.read_now if step.where == "read" else database.run_now
                answer = does(step.function, *step.arguments)
    except StopIteration as end:
        shop: Shop = end.value
        return shop


async def open_snapshot(
    database: Database, key: IdentityKey, fingerprint: bytes, now: int, random: Random
) -> Shop:
    """`publish` beside customers."""
    steps, answer = publish(key, fingerprint, now, random), None
    try:
        while True:
            step = steps.send(answer)
            if step.where == "run":
                answer = await database.run(step.function, *step.arguments)
            elif step.where == "read":
                does = partial(database.read_now, step.function)
                answer = await asyncio.to_thread(does, *step.arguments)
            else:
                answer = await asyncio.to_thread(step.function, *step.arguments)
    except StopIteration as end:
        shop: Shop = end.value
        return shop
