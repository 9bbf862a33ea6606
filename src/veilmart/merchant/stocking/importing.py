"""`merchant import`: make the shop equal to a folder; only changed products are packed.

First everything is compared (comparing.py) and what would be refused is foreseen (foreseeing.py),
which is all that a dry run does. Then shelf by shelf some products are packed and put on sale in
one short transaction, so that a shop that sells meanwhile never waits long. The last transaction
raises the shop's revision: the running server loads it then. An import that was interrupted is
continued by importing again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from sqlalchemy import Connection, update

from veilmart.limits import CODES_AT_ONCE, PRODUCTS_AT_ONCE
from veilmart.merchant.goods.products import (
    Packed,
    ShopProduct,
    place_product,
    product_on_shelf,
    remove_product,
)
from veilmart.merchant.goods.shelves import automatic_name, load_shelves, make_shelf
from veilmart.merchant.goods.shop_row import read_shop, touch
from veilmart.merchant.goods.showcases import set_look
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.sales.codes import SALT_BYTES, restock
from veilmart.merchant.schema.tables import products
from veilmart.merchant.stocking.adding import PRODUCT_ID_BYTES, ProductPacked
from veilmart.merchant.stocking.comparing import Change, Comparison
from veilmart.merchant.stocking.foreseeing import foresee_import
from veilmart.merchant.stocking.packing import gone_if_refused, named, pack
from veilmart.merchant.stocking.shelf_moves import Move, move_products
from veilmart.merchant.stocking.shelf_planning import PlannedShelf
from veilmart.merchant.stocking.shop_folder import Entry
from veilmart.protocol.catalogue import NO_ROOT
from veilmart.protocol.ports import Random

_PACKED = frozenset({"new", "content", "price"})


@dataclass(frozen=True)
class Imported:
    """The last thing that `import_folder` yields: how many products of each kind of change."""

    new: int
    changed: int
    same: int
    removed: int
    shelves: int


@dataclass
class _Batch:
    """Changes of one shelf that become visible together. number: the shelf's, once it has one."""

    changes: list[Change]
    planned: PlannedShelf[Change] | None
    number: int | None
    packed: dict[str, Packed] = field(default_factory=dict)


def import_folder(
    market: MerchantHome,
    comparison: Comparison,
    *,
    prune: bool,
    alone: bool,
    now: int,
    random: Random,
) -> Iterator[ProductPacked | Imported]:
    """Use case: yields progress, `Imported` last. Blocks; call in a thread.

    prune: take what is not in the folder off the shelves. Raises what `foresee_import` does, before
    anything is packed; SourceChanged, BadSourceFile, BadArgument (the shop changed meanwhile) and
    StorageFailures. What was put on sale before one of these stays; importing again goes on.
    """
    database = market.database
    database.read_now(foresee_import, comparison, prune=prune, alone=alone)
    sizes = {shelf.id: shelf.size for shelf in database.read_now(load_shelves)}
    total, done = sum(_is_packed(change) for change in comparison.changes), 0
    numbers: dict[int, int] = {}
    for batch in _batches(comparison):
        size = batch.planned.size if batch.planned else sizes[batch.number or 0]
        if batch.planned is not None:
            batch.number = numbers.get(id(batch.planned))
        with gone_if_refused(market.store) as roots:
            for change in filter(_is_packed, batch.changes):
                name = change.entry.source.file_name
                batch.packed[name] = pack(change.entry.source, size, market.store, random)
                roots.append(batch.packed[name].root)
                done += 1
                yield ProductPacked(done, total, name)
            with named(roots):
                shelf = database.run_now(_carry_out, batch, now, random)
        if batch.planned is not None:
            numbers[id(batch.planned)] = shelf
        _add_more_codes(market, batch, shelf, random)
    removed = comparison.gone if prune else ()
    database.run_now(_finish, removed)
    yield _counted(comparison, len(removed))


def _is_packed(change: Change) -> bool:
    return not change.entry.codes and bool(_PACKED & set(change.what))


def _batches(comparison: Comparison) -> Iterator[_Batch]:
    """Some changes at a time, shelf by shelf. No batch leaves one product alone on a new shelf."""
    for planned in comparison.planned:
        for part in _parts([item.key for item in planned.items]):
            yield _Batch(part, planned, None)
    standing: dict[int, list[Change]] = {}
    for change in comparison.changes:
        if change.what and change.shelf is not None:
            standing.setdefault(change.shelf, []).append(change)
    for number, changes in standing.items():
        for part in _parts(changes):
            yield _Batch(part, None, number)


def _parts(changes: list[Change]) -> Iterator[list[Change]]:
    left = iter(changes)
    while part := list(islice(left, PRODUCTS_AT_ONCE)):
        rest = list(islice(left, 2))
        if len(rest) == 1:
            part += rest
        left = chain(rest if len(rest) > 1 else (), left)
        yield part


def _counted(comparison: Comparison, removed: int) -> Imported:
    new = sum("new" in change.what for change in comparison.changes)
    same = sum(not change.what for change in comparison.changes)
    changed = len(comparison.changes) - new - same
    return Imported(new, changed, same, removed, len(comparison.planned))


def _carry_out(connection: Connection, batch: _Batch, now: int, random: Random) -> int:
    """Transaction: the shelf's number, which is made if it is planned."""
    number = batch.number
    if number is None and batch.planned is not None:
        planned, decimals = batch.planned, read_shop(connection).decimals
        name = automatic_name(load_shelves(connection), planned.price, planned.size, decimals)
        codes = bool(batch.changes[0].entry.codes)
        name = f"{name}-codes" if codes else name
        number = make_shelf(connection, name, planned.price, planned.size, codes=codes).id
    shelf = number or 0
    for change in batch.changes:
        if change.what:
            _apply(connection, batch, change, shelf, now, random)
    return shelf


def _finish(connection: Connection, removed: tuple[ShopProduct, ...]) -> None:
    for product in removed:
        remove_product(connection, product.id, True)
    touch(connection)


def _apply(
    connection: Connection,
    batch: _Batch,
    change: Change,
    shelf: int,
    now: int,
    random: Random,
) -> None:
    """One product: bytes, words, look, codes; whatever of them changed."""
    entry = change.entry
    packed = batch.packed.get(entry.source.file_name)
    product = change.product
    if product is None:
        product = _place_new(connection, entry, packed, shelf, now, random)
    elif packed is not None:
        move_products(connection, [Move(product, shelf, packed.root, packed.pieces)])
        changed = update(products).where(products.c.id == product.id)
        version = product.version + ("content" in change.what)
        values = {"size": packed.size, "source": packed.source, "version": version}
        connection.execute(changed.values(values | {"wish": None}))
    if "words" in change.what:
        words = {"title": entry.title, "description": entry.source.description or ""}
        changed = update(products).where(products.c.id == product.id)
        connection.execute(changed.values(words | {"tags": entry.tags}))
    if "look" in change.what or "new" in change.what:
        set_look(connection, product.id, entry.look)
    if entry.codes:
        _add_some(connection, product, list(entry.codes[:CODES_AT_ONCE]), random)


def _place_new(
    connection: Connection,
    entry: Entry,
    packed: Packed | None,
    shelf: int,
    now: int,
    random: Random,
) -> ShopProduct:
    source = entry.source
    if packed is None:
        packed = Packed(source.file_name, None, None, 0, NO_ROOT, b"", codes=True)
    packed = replace(
        packed, title=entry.title, description=source.description or "", tags=entry.tags
    )
    return place_product(connection, shelf, packed, random(PRODUCT_ID_BYTES), now)


def _add_some(
    connection: Connection, product: ShopProduct, lines: list[str], random: Random
) -> None:
    restock(connection, product, lines, [random(SALT_BYTES) for _ in lines])


def _add_more_codes(market: MerchantHome, batch: _Batch, shelf: int, random: Random) -> None:
    """What of long lists of codes did not go into the transaction that put them on sale."""
    for change in batch.changes:
        more = change.entry.codes[CODES_AT_ONCE:] if change.what else ()
        for start in range(0, len(more), CODES_AT_ONCE):
            lines = list(more[start : start + CODES_AT_ONCE])
            name = change.entry.source.file_name
            market.database.run_now(_add_to, shelf, name, lines, random)


def _add_to(
    connection: Connection, shelf: int, file_name: str, lines: list[str], random: Random
) -> None:
    product = product_on_shelf(connection, shelf, file_name)
    _add_some(connection, product, lines, random)
