"""Checks of an import before anything is packed."""

from collections import defaultdict

from sqlalchemy import Connection

from veilmart.errors import AloneOnShelf, ShelfTooSmall
from veilmart.limits import PIECE_BYTES, PIECES_MAX
from veilmart.merchant.goods.products import check_count, load_products
from veilmart.merchant.stocking.comparing import Comparison


def foresee_import(
    connection: Connection, comparison: Comparison, *, prune: bool, alone: bool
) -> None:
    """Transaction: the shelves as they would stand. Changes nothing.

    Raises AloneOnShelf without `alone`, ShelfTooSmall for a file that no shelf holds, BadArgument
    for more products than a merchant may have.
    """
    for shelf in comparison.planned:
        if shelf.size > PIECES_MAX * PIECE_BYTES:
            largest = max(shelf.items, key=lambda item: item.packed).key.entry.source.file_name
            raise ShelfTooSmall(f"{largest}: no shelf holds more than 16 GiB.")
    new = sum("new" in change.what for change in comparison.changes)
    gone = len(comparison.gone) if prune else 0
    standing_now = load_products(connection)
    check_count(len(standing_now) + new - gone)
    if alone:
        return
    planned = {
        id(item.key): number
        for number, shelf in enumerate(comparison.planned, start=1)
        for item in shelf.items
    }
    places: dict[str, int] = {p.file_name: p.shelf for p in standing_now}
    touched = set()
    for change in comparison.changes:
        if not change.what:
            continue
        name = change.entry.source.file_name
        # A shelf that is still to be made has the negative of its number in the plan.
        place = -planned[id(change)] if change.shelf is None else change.shelf
        touched |= {place} | ({change.product.shelf} if change.product else set())
        places[name] = place
    for product in comparison.gone if prune else ():
        touched.add(product.shelf)
        del places[product.file_name]
    standing = defaultdict(list)
    for name, place in places.items():
        standing[place].append(name)
    for place in touched:
        if len(standing[place]) == 1:
            raise AloneOnShelf(f"{standing[place][0]} would be.")
