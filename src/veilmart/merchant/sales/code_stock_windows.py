"""When stock shows: shelves of codes look at it at fixed times, whatever is sold in between.

In one window, CODE_WINDOW_SECONDS long, a shelf takes at most as many orders as its scarcest
product had codes when the window began; then it refuses every product alike. So no refusal, and
no change in the catalogue, follows from the sale of one product. A product without codes at the
beginning is out until the next window. An order whose code is given back makes room again.
"""

from sqlalchemy import Connection, bindparam, func, select, update

from veilmart.limits import CODE_WINDOW_SECONDS
from veilmart.merchant.goods.shop_row import touch
from veilmart.merchant.schema.tables import codes, products, shelves

_SHELF = (
    select(shelves.c.window, shelves.c.quota)
    .where(shelves.c.id == bindparam("at"))
    .with_for_update()
)
_DUE = select(shelves.c.id).where(
    shelves.c.codes.is_(True), shelves.c.retired.is_(False), shelves.c.window < bindparam("begun")
)
_OPEN = (
    update(shelves)
    .where(shelves.c.id == bindparam("at"))
    .values({"window": bindparam("begun"), "quota": bindparam("orders")})
)
_FREE = (
    select(products.c.id, products.c.in_stock, func.count(codes.c.id))
    .outerjoin(codes, (codes.c.product == products.c.id) & (codes.c.state == "free"))
    .where(products.c.shelf == bindparam("at"), products.c.removed.is_(False))
    .group_by(products.c.id, products.c.in_stock)
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
    """Transaction: look at the stock of every shelf whose window has ended."""
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


def _open(connection: Connection, shelf: int, begun: int) -> int:
    """Begin a window: who is in stock, and how many orders the scarcest of them allows."""
    counts = []
    changed = False
    for product, stocked, free in connection.execute(_FREE, {"at": shelf}).all():
        if free:
            counts.append(free)
        if bool(free) != stocked:
            connection.execute(_STOCKED, {"at": product, "has": bool(free)})
            changed = True
    quota = min(counts, default=0)
    connection.execute(_OPEN, {"at": shelf, "begun": begun, "orders": quota})
    if changed:
        touch(connection)
    return quota
