"""Putting goods on sale: choose or make the shelf, pack into the store, place them on the shelf.

They are placed in short transactions, so that a shop that sells meanwhile never waits long. The
last one raises the shop's revision: the running server sees all of them then, or none.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from veilmart.crypto.padding import shelf_bytes
from veilmart.errors import BadArgument, Misuse, NotAPricePoint, ShelfTooSmall
from veilmart.limits import PIECE_BYTES, PIECES_MAX, PRODUCTS_AT_ONCE, PRODUCTS_MAX
from veilmart.merchant.goods.products import (
    Packed,
    ShopProduct,
    check_company,
    check_count,
    check_description,
    check_title,
    count_standing,
    finish_placing,
    names_on,
    place_products,
)
from veilmart.merchant.goods.shelves import (
    automatic_name,
    code_shelves,
    find_shelf,
    load_shelves,
    make_shelf,
    smallest_fit,
)
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.publishing.descriptors import price_points
from veilmart.merchant.stocking.packing import Source, gone_if_refused, named, pack
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.descriptor import Shelf
from veilmart.storage.files.names import visible

PRODUCT_ID_BYTES = 16
USUAL_PRICE = 5


@dataclass(frozen=True)
class ProductPacked:
    """Progress: one more product is in the store."""

    done: int
    total: int
    file_name: str


@dataclass(frozen=True)
class Added:
    """The last thing that `add_products` yields."""

    shelf: Shelf
    products: tuple[ShopProduct, ...]


@dataclass(frozen=True)
class Plan:
    """The shelf to use, or price, name and size of the one to make."""

    shelf: Shelf | None
    price: int
    name: str
    size: int


def check_price(connection: Connection, price: int | None) -> int:
    """Transaction: `price`, or the usual one for None. Raises NotAPricePoint with the choices."""
    if price is not None:
        check_prices(connection, {price})
        return price
    usual = USUAL_PRICE * 10 ** read_shop(connection).decimals
    offered = price_points(load_brokers(connection))
    price = usual if usual in offered else min(offered, default=0)
    check_prices(connection, {price})
    return price


def check_prices(connection: Connection, prices: set[int]) -> None:
    """Transaction. Raises NotAPricePoint with the choices unless the brokers have every price."""
    offered = price_points(load_brokers(connection))
    if not prices <= set(offered):
        decimals = read_shop(connection).decimals
        choices = ", ".join(format_amount(point, decimals) for point in offered) or "none"
        raise NotAPricePoint(f"It has {choices}.")


def plan_batch(
    connection: Connection,
    sources: tuple[Source, ...],
    shelf_name: str | None,
    price: int | None,
    alone: bool,
) -> Plan:
    """Choose the shelf and check the files before anything is copied."""
    with_codes = code_shelves(connection)
    known = tuple(shelf for shelf in load_shelves(connection) if shelf.id not in with_codes)
    largest = max(source.packed_size for source in sources)
    if largest > PIECES_MAX * PIECE_BYTES:
        raise ShelfTooSmall("No shelf holds more than 16 GiB.")
    if shelf_name is not None:
        shelf: Shelf | None = find_shelf(known, shelf_name)
    else:
        shelf = smallest_fit(known, largest, price)
    _check_room(connection, shelf, {source.file_name for source in sources})
    if shelf is None:
        amount = check_price(connection, price)
        size = shelf_bytes(largest)
        name = automatic_name(known, amount, size, read_shop(connection).decimals)
        if len(sources) == 1 and not alone:
            check_company([sources[0].file_name])
        return Plan(None, amount, name, size)
    _check_shelf(connection, shelf, sources, price, alone)
    return Plan(shelf, shelf.price, shelf.name, shelf.size)


def _place(
    connection: Connection,
    plan: Plan,
    shelf: Shelf | None,
    part: list[Packed],
    fresh_ids: tuple[bytes, ...],
    now: int,
    *,
    last: bool,
    alone: bool,
) -> Added:
    """Transaction: some of the products, and the shelf, which is made if it is None.

    last: the running server sees all of them then.
    """
    if shelf is None:
        shelf = make_shelf(connection, plan.name, plan.price, plan.size)
    placed = place_products(connection, shelf.id, part, fresh_ids, now)
    if last:
        finish_placing(connection, shelf.id, alone)
    return Added(shelf, placed)


def _check_room(connection: Connection, shelf: Shelf | None, names: set[str]) -> None:
    """Raises BadArgument. Names that stand on the shelf already become new versions."""
    standing = count_standing(connection)
    if standing + len(names) > PRODUCTS_MAX and shelf is not None:
        names = names - set(names_on(connection, shelf.id, PRODUCTS_MAX))
    check_count(standing + len(names))


def _check_shelf(
    connection: Connection,
    shelf: Shelf,
    sources: tuple[Source, ...],
    price: int | None,
    alone: bool,
) -> None:
    decimals = read_shop(connection).decimals
    if price is not None and price != shelf.price:
        fixed = format_amount(shelf.price, decimals)
        raise BadArgument(f"Everything on the shelf {shelf.name} costs {fixed}.")
    for source in sources:
        if source.packed_size > shelf.size:
            raise ShelfTooSmall(f"{source.file_name} needs {source.packed_size} of {shelf.size}.")
    if not alone:
        check_company({s.file_name for s in sources} | set(names_on(connection, shelf.id, 2)))


def add_products(
    market: MerchantHome,
    sources: tuple[Source, ...],
    *,
    shelf: str | None = None,
    price: int | None = None,
    alone: bool = False,
    now: int,
    random: Callable[[int], bytes],
) -> Iterator[ProductPacked | Added]:
    """Use case: yields progress, `Added` last. Blocks on files and database; call in a thread.

    Without `shelf`, the smallest one (of that price, if given) that fits the largest file; if none
    does, a new one. Raises AloneOnShelf, ShelfTooSmall, NotAPricePoint, NoSuchShelf, BadArgument,
    SourceChanged, BadSourceFile and StorageFailures; then nothing is on sale, unless the database
    fails or the program is killed while many products are placed: adding the same files again then
    makes new versions of those that are there.
    """
    if not sources:
        raise BadArgument("Give at least one file.")
    (name, files), *_ = Counter(source.file_name for source in sources).most_common(1)
    if files > 1:
        raise BadArgument(f"{files} files are called {visible(name)}; each name only once.")
    sources = tuple(map(_with_shown_words, sources))
    plan = market.database.read_now(plan_batch, sources, shelf, price, alone)
    batch: list[Packed] = []
    with gone_if_refused(market.store) as roots:
        for number, source in enumerate(sources, start=1):
            batch.append(pack(source, plan.size, market.store, random))
            roots.append(batch[-1].root)
            yield ProductPacked(number, len(sources), source.file_name)
        at, placed = plan.shelf, list[ShopProduct]()
        while batch:
            part, batch = batch[:PRODUCTS_AT_ONCE], batch[PRODUCTS_AT_ONCE:]
            ids = tuple(random(PRODUCT_ID_BYTES) for _ in part)
            with named(roots, len(part)):
                added = market.database.run_now(
                    _place, plan, at, part, ids, now, last=not batch, alone=alone
                )
            at = added.shelf
            placed += added.products
    yield replace(added, products=tuple(placed))


def _with_shown_words(source: Source) -> Source:
    """Title and description as they are stored. Raises BadArgument."""
    title, description = source.title, source.description
    return replace(
        source,
        title=None if title is None else check_title(title),
        description=None if description is None else check_description(description),
    )


def add_now(
    market: MerchantHome,
    sources: tuple[Source, ...],
    *,
    shelf: str | None = None,
    price: int | None = None,
    alone: bool = False,
    now: int,
    random: Callable[[int], bytes],
) -> Added:
    """`add_products` for callers that draw no progress."""
    steps = add_products(
        market, sources, shelf=shelf, price=price, alone=alone, now=now, random=random
    )
    *_, last = steps
    if not isinstance(last, Added):
        raise Misuse("Adding products ended without a result.")
    return last
