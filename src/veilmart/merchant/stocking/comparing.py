"""A folder against the shop, by file name: what an import would change. Changes nothing."""

from dataclasses import dataclass

from sqlalchemy import Connection

from veilmart.errors import BadArgument
from veilmart.limits import SHELVES_MAX
from veilmart.merchant.goods.products import ShopProduct, load_products
from veilmart.merchant.goods.shelves import code_shelves, load_shelves, smallest_fit
from veilmart.merchant.goods.showcases import Look, look_digests
from veilmart.merchant.sales.codes import unknown_codes
from veilmart.merchant.stocking.adding import check_prices
from veilmart.merchant.stocking.shelf_planning import Item, PlannedShelf, plan_shelves
from veilmart.merchant.stocking.shop_folder import Entry
from veilmart.protocol.descriptor import Shelf

CODE_SHELF_BYTES = 1024
_NOTHING = Look().digest


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


def compare(connection: Connection, entries: list[Entry], k: int) -> Comparison:
    """Transaction: the folder against the shop, matched by file name. Changes nothing.

    Raises NotAPricePoint, BadArgument.
    """
    shelves = {shelf.id: shelf for shelf in load_shelves(connection)}
    with_codes = code_shelves(connection)
    standing = {product.file_name: product for product in load_products(connection)}
    if len({entry.source.file_name for entry in entries}) != len(entries):
        raise BadArgument("Two products of the folder have the same file name.")
    check_prices(connection, {entry.price for entry in entries})
    looks = look_digests(connection)
    changes = []
    for entry in entries:
        product = standing.get(entry.source.file_name)
        if product is not None and product.codes != bool(entry.codes):
            raise BadArgument(f"{product.file_name} cannot change between codes and a file.")
        changes.append(_change(connection, entry, product, shelves, with_codes, looks))
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
    looks: dict[bytes, bytes],
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
    if looks.get(product.id, _NOTHING) != entry.look.digest:
        what.append("look")
    if not {"content", "price"} & set(what):
        target = product.shelf
    return Change(entry, product, tuple(what), target)
