"""Tables to export for a spreadsheet. Amounts are in minor units, times Unix seconds."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields

from sqlalchemy import Connection, select

from veilmart.errors import BadArgument
from veilmart.merchant.goods.products import ROWS_AT_ONCE, stream_products
from veilmart.merchant.schema.tables import orders, products, shelves

SHOWN_STATES = ("paid", "settled", "refunded")


@dataclass(frozen=True)
class Exported:
    """rows: read while they are written, so only inside the reading that made it."""

    heads: tuple[str, ...]
    rows: Iterable[tuple[object, ...]]


def export(connection: Connection, kind: str) -> Exported:
    """Transaction: one of KINDS. Raises BadArgument."""
    make = KINDS.get(kind)
    if make is None:
        raise BadArgument(f"There are: {', '.join(KINDS)}.")
    return make(connection)


@dataclass(frozen=True)
class SoldOrder:
    """order: 32 bytes. price: minor units. paid_at, ended_at: Unix seconds, None before."""

    order: bytes
    title: str
    shelf: str
    price: int
    state: str
    paid_at: int | None
    ended_at: int | None


def sold_orders(connection: Connection, *, by_name: bool = False) -> Iterator[SoldOrder]:
    """Transaction: orders that were paid, oldest first; read while they are used.

    by_name: in the order of their names instead, which needs no sorting.
    """
    times = () if by_name else (orders.c.paid_at,)
    query = (
        select(
            orders.c.order,
            products.c.title,
            shelves.c.name,
            orders.c.price,
            orders.c.state,
            orders.c.paid_at,
            orders.c.ended_at,
        )
        .join(products, products.c.id == orders.c.product)
        .join(shelves, shelves.c.id == orders.c.shelf)
        .where(orders.c.state.in_(SHOWN_STATES))
        .order_by(*times, orders.c.order)
    )
    rows = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    return (SoldOrder(*row) for row in rows)


def _sales(connection: Connection) -> Exported:
    heads = tuple(field.name for field in fields(SoldOrder))
    return Exported(heads, (astuple(order) for order in sold_orders(connection, by_name=True)))


def _products(connection: Connection) -> Exported:
    names = {row.id: row.name for row in connection.execute(select(shelves))}
    rows = (
        (p.id, p.title, p.file_name, names[p.shelf], p.version, p.size, int(p.available))
        for p in stream_products(connection, by_file=True)
    )
    return Exported(("id", "title", "file", "shelf", "version", "size", "available"), rows)


KINDS: Mapping[str, Callable[[Connection], Exported]] = {"sales": _sales, "products": _products}
