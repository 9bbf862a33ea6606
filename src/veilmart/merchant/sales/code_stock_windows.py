"""When stock is shown: the offered stock of a shelf of codes is a function of public data.

Nobody may learn which product was sold by ordering, abandoning and looking. So stock is counted as
if every order of the shelf had been for every product: what is left of a product for certain is
what the merchant put there, less all orders of the shelf, whichever product they were for. That
number decides which products are in stock and how many orders the shelf takes in a window of
CODE_WINDOW_SECONDS; a sale, an unpaid order or a refund changes it for all products alike. The true
stock is at least as large, so an order that is taken can always be served. Leftover codes, where
other products sold better, come back when the merchant counts again (`recount`). The recount shows
at the next window and reveals the distribution of sales.
"""

from sqlalchemy import Connection, bindparam, exists, func, select, update

from veilmart.limits import CODE_WINDOW_SECONDS
from veilmart.merchant.goods.shop_row import touch
from veilmart.merchant.schema.tables import codes, products, shelves

_SHELF = (
    select(shelves.c.window, shelves.c.quota, shelves.c.orders)
    .where(shelves.c.id == bindparam("at"))
    .with_for_update()
)
_CODE_SHELVES = select(shelves.c.id).where(shelves.c.codes.is_(True), shelves.c.retired.is_(False))
_NOT_SHOWN = exists().where(
    products.c.shelf == shelves.c.id,
    products.c.removed.is_(False),
    products.c.in_stock.is_(False),
    codes.c.product == products.c.id,
    codes.c.state == "free",
)
_DUE = _CODE_SHELVES.where(
    (shelves.c.window < bindparam("begun")) | ((shelves.c.orders == 0) & _NOT_SHOWN)
)
_OPEN = (
    update(shelves)
    .where(shelves.c.id == bindparam("at"))
    .values({"window": bindparam("begun"), "quota": bindparam("most")})
)
_NUMBER = (
    update(shelves)
    .where(shelves.c.id == bindparam("at"))
    .values(orders=shelves.c.orders + 1)
    .returning(shelves.c.orders)
)
_GIVEN = (
    select(products.c.id, products.c.in_stock, products.c.counted, products.c.counted_at)
    .add_columns(func.count(codes.c.id))
    .outerjoin(codes, codes.c.product == products.c.id)
    .where(products.c.shelf == bindparam("at"), products.c.removed.is_(False))
    .group_by(products.c.id)
)
_ORDERS = select(codes.c.number).where(codes.c.shelf == bindparam("at"), codes.c.state != "free")
_USED = (
    select(products.c.id, func.count(codes.c.id))
    .outerjoin(codes, (codes.c.product == products.c.id) & (codes.c.state != "free"))
    .where(products.c.shelf == bindparam("at"))
    .group_by(products.c.id)
)
_COUNTED = (
    update(products)
    .where(products.c.id == bindparam("at"))
    .values({"counted": bindparam("used"), "counted_at": bindparam("newest")})
)
_STOCKED = (
    update(products).where(products.c.id == bindparam("at")).values(in_stock=bindparam("has"))
)
_TAKEN = select(func.count()).where(
    codes.c.shelf == bindparam("at"), codes.c.window == bindparam("begun")
)


def window_of(now: int) -> int:
    """When the window that `now` lies in began: a multiple of CODE_WINDOW_SECONDS."""
    return now - now % CODE_WINDOW_SECONDS


def open_windows(connection: Connection, now: int) -> None:
    """Transaction: look at the stock of every shelf whose window has ended.

    Where there was no order yet, new codes need not wait for that: they show nothing of orders.
    """
    for shelf in connection.execute(_DUE, {"begun": window_of(now)}).scalars().all():
        _open(connection, shelf, window_of(now))


def orders_left(connection: Connection, shelf: int, now: int) -> tuple[int, int]:
    """Part of a transaction: (current window, orders that the shelf still takes in it)."""
    begun = window_of(now)
    row = connection.execute(_SHELF, {"at": shelf}).one()
    quota = row.quota if row.window >= begun else _open(connection, shelf, begun)
    window = max(row.window, begun)
    taken = connection.execute(_TAKEN, {"at": shelf, "begun": window}).scalar_one()
    return window, quota - taken


def number_order(connection: Connection, shelf: int) -> int:
    """Part of a transaction: the number of one more order of the shelf, never used again."""
    return int(connection.execute(_NUMBER, {"at": shelf}).scalar_one())


def recount(connection: Connection, shelf: int) -> None:
    """Transaction: from the next window on, the true stock of each product counts.

    By it others can tell how the shelf's orders were spread over its products.
    """
    newest = connection.execute(_SHELF, {"at": shelf}).one().orders
    for product, used in connection.execute(_USED, {"at": shelf}).all():
        connection.execute(_COUNTED, {"at": product, "used": used, "newest": newest})


def begin_stock(connection: Connection, product: bytes, shelf: int) -> None:
    """Part of a transaction: the first codes of a product; earlier orders were not for it."""
    newest = connection.execute(_SHELF, {"at": shelf}).one().orders
    connection.execute(_COUNTED, {"at": product, "used": 0, "newest": newest})


def certain_stock(connection: Connection) -> dict[bytes, int]:
    """Transaction: by product id, for how many orders of its shelf it is in stock for certain."""
    found: dict[bytes, int] = {}
    for shelf in connection.execute(_CODE_SHELVES).scalars().all():
        found |= {product: max(0, left) for product, _, left in _certain(connection, shelf)}
    return found


def _certain(connection: Connection, shelf: int) -> list[tuple[bytes, bool, int]]:
    """(product, whether it shows as in stock, its codes less all orders since it was counted)."""
    orders = connection.execute(_ORDERS, {"at": shelf}).scalars().all()
    return [
        (row.id, row.in_stock, row[4] - row.counted - sum(n > row.counted_at for n in orders))
        for row in connection.execute(_GIVEN, {"at": shelf}).all()
    ]


def _open(connection: Connection, shelf: int, begun: int) -> int:
    """Begin a window: who is in stock for certain, and how many orders all of them allow."""
    found = _certain(connection, shelf)
    quota = min((left for _, _, left in found if left > 0), default=0)
    connection.execute(_OPEN, {"at": shelf, "begun": begun, "most": quota})
    changed = [(product, left > 0) for product, stocked, left in found if (left > 0) != stocked]
    for product, has in changed:
        connection.execute(_STOCKED, {"at": product, "has": has})
    if changed:
        touch(connection)
    return quota
