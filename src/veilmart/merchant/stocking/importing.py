"""`merchant import`: make the shop what the folder says; only what changed is packed and sent on.

First everything is compared (`compare`), which is all that a dry run does. Then changed files are
packed into the store, and at last one transaction changes the shop: all of it or nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, update

from veilmart.errors import BadArgument
from veilmart.limits import SHELVES_MAX
from veilmart.merchant.goods.products import (
    Packed,
    ShopProduct,
    check_company,
    load_products,
    place_products,
    remove_product,
)
from veilmart.merchant.goods.shelves import (
    automatic_name,
    code_shelves,
    create_shelf,
    load_shelves,
    smallest_fit,
)
from veilmart.merchant.goods.shop_row import read_shop, touch
from veilmart.merchant.goods.showcases import look_digest, set_look
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.sales.codes import add_codes, unknown_codes
from veilmart.merchant.schema.tables import products
from veilmart.merchant.stocking.adding import PRODUCT_ID_BYTES, ProductPacked, check_price
from veilmart.merchant.stocking.packing import gone_if_refused, pack
from veilmart.merchant.stocking.shelf_moves import move_product
from veilmart.merchant.stocking.shelf_planning import Item, PlannedShelf, plan_shelves
from veilmart.merchant.stocking.shop_folder import Entry
from veilmart.protocol.catalogue import NO_ROOT
from veilmart.protocol.descriptor import Shelf

CODE_SHELF_BYTES = 1024
SALT_BYTES = 32


@dataclass(frozen=True)
class Change:
    """what: any of new, content, price, words, look, codes; empty when all is as it was.

    shelf: number of the shelf that it is put on, or None for a planned one.
    """

    entry: Entry
    product: ShopProduct | None
    what: tuple[str, ...]
    shelf: int | None


@dataclass(frozen=True)
class Comparison:
    """planned: new shelves, of the changes whose `shelf` is None. gone: not in the folder."""

    changes: tuple[Change, ...]
    planned: tuple[PlannedShelf[Change], ...]
    gone: tuple[ShopProduct, ...]


@dataclass(frozen=True)
class Imported:
    """The last thing that `import_folder` yields: how many products of each kind of change."""

    new: int
    changed: int
    same: int
    removed: int
    shelves: int


@dataclass
class _Work:
    """What the transaction is to do, gathered while packing."""

    comparison: Comparison
    packed: dict[str, Packed] = field(default_factory=dict)
    prune: bool = False
    alone: bool = False


def compare(connection: Connection, entries: list[Entry], k: int) -> Comparison:
    """Transaction: the folder against the shop, matched by file name. Changes nothing.

    Raises NotAPricePoint, BadArgument.
    """
    shelves = {shelf.id: shelf for shelf in load_shelves(connection)}
    with_codes = code_shelves(connection)
    standing = {product.file_name: product for product in load_products(connection)}
    if len({entry.source.file_name for entry in entries}) != len(entries):
        raise BadArgument("Two products of the folder have the same file name.")
    changes = []
    for entry in entries:
        check_price(connection, entry.price)
        product = standing.get(entry.source.file_name)
        if product is not None and product.codes != bool(entry.codes):
            raise BadArgument(f"{product.file_name} cannot change between codes and a file.")
        changes.append(_change(connection, entry, product, shelves, with_codes))
    homeless = [change for change in changes if change.shelf is None]
    files = [
        Item(change, change.entry.price, change.entry.source.packed_size)
        for change in homeless
        if not change.entry.codes
    ]
    rows: dict[int, list[Item[Change]]] = {}
    for change in homeless:
        if change.entry.codes:
            item = Item(change, change.entry.price, CODE_SHELF_BYTES)
            rows.setdefault(change.entry.price, []).append(item)
    room = SHELVES_MAX - len(shelves) - len(rows)
    planned = plan_shelves(files, k, room) if files else []
    for price, row in rows.items():
        planned.append(PlannedShelf(price, CODE_SHELF_BYTES, tuple(row), len(row) < k))
    names = {entry.source.file_name for entry in entries}
    gone = tuple(product for name, product in standing.items() if name not in names)
    return Comparison(tuple(changes), tuple(planned), gone)


def _change(
    connection: Connection,
    entry: Entry,
    product: ShopProduct | None,
    shelves: dict[int, Shelf],
    with_codes: frozenset[int],
) -> Change:
    same_kind = tuple(
        shelf for shelf in shelves.values() if (shelf.id in with_codes) == bool(entry.codes)
    )
    needed = CODE_SHELF_BYTES if entry.codes else entry.source.packed_size
    fit = smallest_fit(same_kind, needed, entry.price)
    target = None if fit is None else fit.id
    if product is None:
        return Change(entry, None, ("new",), target)
    what = []
    if product.codes:
        if unknown_codes(connection, entry.codes):
            what.append("codes")
    elif product.source != entry.digest:
        what.append("content")
    shelf = shelves[product.shelf]
    if shelf.price != entry.price:
        if product.codes:
            raise BadArgument(f"The codes of {product.file_name} keep their shelf and price.")
        what.append("price")
    elif product.codes or shelf.size >= needed:
        target = shelf.id
    source = entry.source
    if (product.title, product.description, product.tags) != (
        entry.title,
        source.description or "",
        entry.tags,
    ):
        what.append("words")
    if look_digest(connection, product.id) != entry.look.digest:
        what.append("look")
    if not {"content", "price"} & set(what):
        target = product.shelf
    return Change(entry, product, tuple(what), target)


def import_folder(
    market: MerchantHome,
    comparison: Comparison,
    *,
    prune: bool,
    alone: bool,
    now: int,
    random: Callable[[int], bytes],
) -> Iterator[ProductPacked | Imported]:
    """Use case: yields progress, `Imported` last. Blocks; call in a thread.

    prune: take what is not in the folder off the shelves. Raises AloneOnShelf, SourceChanged,
    BadSourceFile, BadArgument (the shop changed meanwhile) and StorageFailures.
    """
    work = _Work(comparison, prune=prune, alone=alone)
    sizes = {shelf.id: shelf.size for shelf in market.database.run_now(load_shelves)}
    planned = {id(item.key): shelf.size for shelf in comparison.planned for item in shelf.items}
    due = [
        change
        for change in comparison.changes
        if {"new", "content", "price"} & set(change.what) and not change.entry.codes
    ]
    with gone_if_refused(market.store) as roots:
        for done, change in enumerate(due, start=1):
            size = planned[id(change)] if change.shelf is None else sizes[change.shelf]
            name = change.entry.source.file_name
            work.packed[name] = pack(change.entry.source, size, market.store, random)
            roots.append(work.packed[name].root)
            yield ProductPacked(done, len(due), name)
        imported = market.database.run_now(_carry_out, work, now, random)
    yield imported


def _carry_out(
    connection: Connection, work: _Work, now: int, random: Callable[[int], bytes]
) -> Imported:
    comparison = work.comparison
    decimals = read_shop(connection).decimals
    targets: dict[int, int] = {}
    for planned in comparison.planned:
        name = automatic_name(load_shelves(connection), planned.price, planned.size, decimals)
        codes = bool(planned.items[0].key.entry.codes)
        name = f"{name}-codes" if codes else name
        shelf = create_shelf(connection, name, planned.price, planned.size, codes=codes)
        targets |= {id(item.key): shelf.id for item in planned.items}
    touched = set()
    for change in comparison.changes:
        number = targets[id(change)] if change.shelf is None else change.shelf
        if change.what:
            _apply(connection, work, change, number, now, random)
            touched |= {number} | ({change.product.shelf} if change.product else set())
    removed = comparison.gone if work.prune else ()
    for product in removed:
        remove_product(connection, product.id, True)
        touched.add(product.shelf)
    if not work.alone:
        standing = load_products(connection)
        for number in sorted(touched):
            check_company(standing, number)
    touch(connection)
    new = sum("new" in change.what for change in comparison.changes)
    same = sum(not change.what for change in comparison.changes)
    changed = len(comparison.changes) - new - same
    return Imported(new, changed, same, len(removed), len(comparison.planned))


def _apply(
    connection: Connection,
    work: _Work,
    change: Change,
    shelf: int,
    now: int,
    random: Callable[[int], bytes],
) -> None:
    """One product: bytes, words, look, codes; whatever of them changed."""
    entry = change.entry
    packed = work.packed.get(entry.source.file_name)
    product = change.product
    if product is None:
        product = _place_new(connection, entry, packed, shelf, now, random)
    elif packed is not None:
        move_product(connection, product, shelf, packed.root, packed.pieces)
        changed = update(products).where(products.c.id == product.id)
        version = product.version + ("content" in change.what)
        values = {"size": packed.size, "source": packed.source, "version": version}
        connection.execute(changed.values(values | {"wish": None}))
    if "words" in change.what or "new" in change.what:
        words = {"title": entry.title, "description": entry.source.description or ""}
        changed = update(products).where(products.c.id == product.id)
        connection.execute(changed.values(words | {"tags": entry.tags}))
    if "look" in change.what or "new" in change.what:
        set_look(connection, product.id, entry.look)
    if entry.codes:
        place = next(known for known in load_shelves(connection) if known.id == shelf)
        salts = [random(SALT_BYTES) for _ in entry.codes]
        add_codes(connection, product, place, list(entry.codes), salts)


def _place_new(
    connection: Connection,
    entry: Entry,
    packed: Packed | None,
    shelf: int,
    now: int,
    random: Callable[[int], bytes],
) -> ShopProduct:
    if packed is None:
        source = entry.source
        packed = Packed(
            source.file_name, source.title, source.description, 0, NO_ROOT, b"", codes=True
        )
    ids = (random(PRODUCT_ID_BYTES),)
    return place_products(connection, shelf, (packed,), ids, True, now)[0]
