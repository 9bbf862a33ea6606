"""Parts of the list of products, for pages: a shop of 10,000 is never loaded as a whole.

A search reads five short columns of every product; everything else is read for the rows shown.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from veilmart.errors import NoSuchProduct
from veilmart.merchant.goods.products import ShopProduct, product_of
from veilmart.merchant.schema.tables import products
from veilmart.protocol.typed_text import sought

_ON_SALE = products.c.removed.is_(False)
_TEXTS = (
    select(products.c.id, products.c.title, products.c.file_name, products.c.tags)
    .where(_ON_SALE)
    .order_by(products.c.shelf, products.c.title, products.c.id)
)
_PER_SHELF = select(products.c.shelf, func.count()).where(_ON_SALE).group_by(products.c.shelf)


def search_products(connection: Connection, words: str) -> list[bytes]:
    """Transaction: ids, in the menu's order, of the products with every word in title, file name
    or tags, in any case.
    """
    wanted = sought(words).split()
    return [
        row.id
        for row in connection.execute(_TEXTS)
        if not wanted or _has(sought(f"{row.title}\n{row.file_name}\n{row.tags}"), wanted)
    ]


def _has(text: str, wanted: list[str]) -> bool:
    return all(word in text for word in wanted)


def products_by_id(connection: Connection, ids: Sequence[bytes]) -> tuple[ShopProduct, ...]:
    """Transaction: those of them that are on sale, in the order given."""
    query = select(products).where(_ON_SALE, products.c.id.in_(ids))
    found = {row.id: product_of(row) for row in connection.execute(query)}
    return tuple(found[key] for key in ids if key in found)


def product_by_id(connection: Connection, product: bytes) -> ShopProduct:
    """Transaction. Raises NoSuchProduct unless it is on sale."""
    found = products_by_id(connection, (product,))
    if not found:
        raise NoSuchProduct("It is no longer on sale.")
    return found[0]


def products_per_shelf(connection: Connection) -> dict[int, int]:
    """Transaction: how many products are on sale on each shelf that has any."""
    return {row[0]: row[1] for row in connection.execute(_PER_SHELF)}
