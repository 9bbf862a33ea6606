"""Another price for one product: it moves to a shelf of that price, packed anew."""

from collections.abc import Callable

from sqlalchemy import Connection

from veilmart.crypto.padding import shelf_bytes
from veilmart.errors import BadArgument
from veilmart.merchant.goods.products import ShopProduct, check_company, names_on
from veilmart.merchant.goods.shelves import (
    automatic_name,
    code_shelves,
    load_shelves,
    make_shelf,
    retire_empty,
    smallest_fit,
)
from veilmart.merchant.goods.shop_row import read_shop, touch
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.stocking.adding import check_price
from veilmart.merchant.stocking.packing import gone_if_refused, named
from veilmart.merchant.stocking.shelf_moves import Move, move_products, packed_size, repack
from veilmart.protocol.descriptor import Shelf

_FRESH = 0


def reprice(
    market: MerchantHome,
    product: ShopProduct,
    price: int,
    *,
    alone: bool,
    random: Callable[[int], bytes],
) -> Shelf:
    """Use case: the shelf of that price that it stands on now. Orders of the old one are served.

    Raises NotAPricePoint, AloneOnShelf without `alone`, BadArgument for codes and for a product
    that was changed meanwhile, StoreDamaged, DiskFull. A refused move leaves nothing behind.
    """
    target, size = market.database.read_now(_target, product, price, alone)
    if target is not None and target.id == product.shelf:
        return target
    with gone_if_refused(market.store) as roots:
        roots.append(repack(market.store, product, size, random))
        packed = roots[0], market.store.piece_list(roots[0])
        with named(roots):
            return market.database.run_now(_move, product, target, price, size, packed, alone)


def _target(
    connection: Connection, product: ShopProduct, price: int, alone: bool
) -> tuple[Shelf | None, int]:
    """The smallest fitting shelf of that price, None for a new one; its size."""
    if product.codes:
        raise BadArgument("Codes stay on the shelf that they were added to.")
    check_price(connection, price)
    with_codes = code_shelves(connection)
    known = tuple(shelf for shelf in load_shelves(connection) if shelf.id not in with_codes)
    at = next(shelf for shelf in known if shelf.id == product.shelf)
    found = at if at.price == price else smallest_fit(known, packed_size(product), price)
    if not alone and found is not at:
        _check(connection, product, _FRESH if found is None else found.id)
    return found, shelf_bytes(packed_size(product)) if found is None else found.size


def _check(connection: Connection, product: ShopProduct, shelf: int) -> None:
    """Raises AloneOnShelf when the move leaves one alone, there or here."""
    check_company({product.file_name, *names_on(connection, shelf, 2)})
    check_company(set(names_on(connection, product.shelf, 3)) - {product.file_name})


def _move(
    connection: Connection,
    product: ShopProduct,
    target: Shelf | None,
    price: int,
    size: int,
    packed: tuple[bytes, bytes],
    alone: bool,
) -> Shelf:
    if target is None:
        decimals = read_shop(connection).decimals
        name = automatic_name(load_shelves(connection), price, size, decimals)
        target = make_shelf(connection, name, price, size)
    elif not alone:
        _check(connection, product, target.id)
    move_products(connection, [Move(product, target.id, *packed)])
    retire_empty(connection)
    touch(connection)
    return target
