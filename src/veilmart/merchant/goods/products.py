"""Products on the shelves, one row each; the product store keeps sold bytes."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from veilmart.characters import has_unseen, without_invisible
from veilmart.errors import AloneOnShelf, BadArgument, NoSuchProduct
from veilmart.limits import (
    DESCRIPTION_MAX_BYTES,
    PRODUCTS_MAX,
    TAG_MAX_BYTES,
    TAGS_MAX,
    TITLE_MAX_BYTES,
)
from veilmart.merchant.goods.shop_row import touch
from veilmart.merchant.schema.tables import products
from veilmart.protocol.typed_text import shown_text
from veilmart.storage.database.columns import AnyRow


@dataclass(frozen=True)
class ShopProduct:
    """id: 16 bytes. size: true bytes. root, pieces: of the padded bytes. tags: one a line.

    source: SHA-256 of the imported file. codes: see codes.py; `root` is then NO_ROOT.
    """

    id: bytes
    shelf: int
    version: int
    file_name: str
    title: str
    description: str
    size: int
    root: bytes
    pieces: bytes
    available: bool
    tags: str = ""
    wish: int | None = None
    source: bytes | None = None
    codes: bool = False
    in_stock: bool = True


@dataclass(frozen=True)
class Packed:
    """A product whose padded bytes are in the store; not on sale before `place_products`."""

    file_name: str
    title: str | None
    description: str | None
    size: int
    root: bytes
    pieces: bytes
    tags: str | None = None
    source: bytes | None = None
    codes: bool = False


ROWS_AT_ONCE = 1000
_COLUMNS = (
    "id",
    "shelf",
    "version",
    "file_name",
    "title",
    "description",
    "size",
    "root",
    "pieces",
    "available",
    "tags",
    "wish",
    "source",
    "codes",
    "in_stock",
)
_STAND = select(products).where(products.c.removed.is_(False))
_SHOWN = _STAND.order_by(products.c.shelf, products.c.title, products.c.id)
_BY_FILE = _STAND.order_by(products.c.shelf, products.c.file_name)
_INSERT = insert(products)
_SAME_NAME = select(products).where(
    products.c.shelf == bindparam("shelf_id"), products.c.file_name == bindparam("name")
)

_ON_SHELF = (
    select(products.c.file_name)
    .where(products.c.shelf == bindparam("at"), products.c.removed.is_(False))
    .order_by(products.c.file_name)
    .limit(bindparam("most"))
)
_STANDING = select(func.count()).select_from(products).where(products.c.removed.is_(False))


def product_of(row: AnyRow) -> ShopProduct:
    """A row of `products`."""
    return ShopProduct(**{column: getattr(row, column) for column in _COLUMNS})


def load_products(connection: Connection) -> tuple[ShopProduct, ...]:
    """Transaction: all products on shelves, by shelf and title; the menu's order."""
    return tuple(stream_products(connection))


def stream_products(connection: Connection, *, by_file: bool = False) -> Iterator[ShopProduct]:
    """The same, read while they are used: a thousand are in memory at once.

    by_file: by shelf and file name instead, which needs no sorting (SQLite sorts in memory).
    """
    query = _BY_FILE if by_file else _SHOWN
    rows = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    return (product_of(row) for row in rows)


def product_on_shelf(connection: Connection, shelf: int, file_name: str) -> ShopProduct:
    """Transaction. Raises NoSuchProduct."""
    row = connection.execute(_SAME_NAME, {"shelf_id": shelf, "name": file_name}).first()
    if row is None:
        raise NoSuchProduct
    return product_of(row)


def check_title(title: str) -> str:
    """The title as it is stored. Raises BadArgument unless it is 1 to 200 bytes of visible text."""
    shown = shown_text(title)
    if _hides(shown) or len(shown.encode()) > TITLE_MAX_BYTES:
        raise BadArgument(f"The title {title[:80]!r} is not 1 to 200 bytes of visible text.")
    return shown


def _hides(text: str) -> bool:
    """Whether it shows nothing, or has something that must not be shown."""
    return not without_invisible(text).strip() or has_unseen(text)


def check_description(description: str) -> str:
    """The same; at most 2000 bytes, or empty, and line ends are fine."""
    description = shown_text(description.replace("\r\n", "\n"))
    lines = description.replace("\n", " ")
    if has_unseen(lines) or len(description.encode()) > DESCRIPTION_MAX_BYTES:
        raise BadArgument("A description is at most 2000 bytes of visible text.")
    return description


def check_tags(tags: list[str]) -> str:
    """One a line, in the order given. Raises BadArgument for more than 16, or one that is empty,
    longer than 50 bytes or not visible.
    """
    tags = [shown_text(tag) for tag in tags]
    for tag in tags:
        if _hides(tag) or len(tag.encode()) > TAG_MAX_BYTES:
            raise BadArgument(f"A tag is 1 to {TAG_MAX_BYTES} bytes of visible text.")
    if len(tags) > TAGS_MAX or len(set(tags)) != len(tags):
        raise BadArgument(f"A product has {TAGS_MAX} tags at most, each once.")
    return "\n".join(tags)


def place_products(
    connection: Connection,
    shelf: int,
    batch: Collection[Packed],
    fresh_ids: tuple[bytes, ...],
    now: int,
) -> tuple[ShopProduct, ...]:
    """Part of a transaction: packed products on a shelf; all of them or, on an error, none.

    The same file name on the same shelf becomes a new version of that product.
    """
    return tuple(
        place_product(connection, shelf, packed, fresh, now)
        for packed, fresh in zip(batch, fresh_ids, strict=True)
    )


def finish_placing(connection: Connection, shelf: int, alone: bool) -> None:
    """Part of a transaction: the running server loads the shop after it.

    Raises AloneOnShelf unless `alone` or at least two products stand on the shelf, and BadArgument
    for too many products.
    """
    if not alone:
        check_company(names_on(connection, shelf, 2))
    check_count(count_standing(connection))
    touch(connection)


def count_standing(connection: Connection) -> int:
    """Transaction: products of the merchant."""
    return int(connection.execute(_STANDING).scalar_one())


def check_count(standing: int) -> None:
    """Raises BadArgument for more products than a merchant may have."""
    if standing > PRODUCTS_MAX:
        raise BadArgument(f"A merchant has {PRODUCTS_MAX} products at most; these are {standing}.")


def place_product(
    connection: Connection, shelf: int, packed: Packed, fresh: bytes, now: int
) -> ShopProduct:
    """Part of a transaction: one product on a shelf. It does not raise the shop's revision."""
    parameters = {"shelf_id": shelf, "name": packed.file_name}
    earlier = connection.execute(_SAME_NAME, parameters).first()
    # Any: the columns become the keyword arguments of ShopProduct.
    values: dict[str, Any] = {
        "size": packed.size,
        "root": packed.root,
        "pieces": packed.pieces,
        "source": packed.source,
        "codes": packed.codes,
        "in_stock": not packed.codes,
        "available": True,
        "removed": False,
        "added_at": now,
    }
    if earlier is None:
        values |= {
            "id": fresh,
            "shelf": shelf,
            "version": 1,
            "file_name": packed.file_name,
            "title": packed.file_name if packed.title is None else packed.title,
            "description": packed.description or "",
            "tags": packed.tags or "",
            "wish": None,
        }
        connection.execute(_INSERT, values)
        return ShopProduct(**{column: values[column] for column in _COLUMNS})
    values["version"] = earlier.version + 1
    if packed.title is not None:
        values["title"] = packed.title
    if packed.description is not None:
        values["description"] = packed.description
    if packed.tags is not None:
        values["tags"] = packed.tags
    changed = update(products).where(products.c.id == earlier.id)
    connection.execute(changed.values(values))
    return product_of(connection.execute(_SAME_NAME, parameters).one())


def names_on(connection: Connection, shelf: int, most: int) -> list[str]:
    """Transaction: file names of products on the shelf, `most` at most."""
    return list(connection.execute(_ON_SHELF, {"at": shelf, "most": most}).scalars())


def check_company(names: Collection[str]) -> None:
    """names: of the products on one shelf. Raises AloneOnShelf when there is exactly one."""
    if len(names) == 1:
        raise AloneOnShelf(f"{next(iter(names))} would be.")


def find_product(standing: tuple[ShopProduct, ...], wanted: str) -> ShopProduct:
    """By exact title, exact file name, number in the list from 1, or id prefix in hex.

    Raises NoSuchProduct when nothing or more than one thing fits.
    """
    wanted = shown_text(wanted)
    ways = (
        [p for p in standing if p.title == wanted],
        [p for p in standing if p.file_name == wanted],
        _by_number(standing, wanted),
        [p for p in standing if len(wanted) >= 4 and p.id.hex().startswith(wanted.lower())],
    )
    found = next((way for way in ways if way), [])
    if len(found) != 1:
        several = "Several have" if found else "None has"
        raise NoSuchProduct(f"{several} the name, number or id {wanted[:40]!r}.")
    return found[0]


def _by_number(standing: tuple[ShopProduct, ...], wanted: str) -> list[ShopProduct]:
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 6):
        return []
    return list(standing[int(wanted) - 1 : int(wanted)]) if int(wanted) else []


def remove_product(connection: Connection, product: bytes, alone: bool) -> None:
    """Transaction: off the shelf. Orders of it are still served: its bytes stay in the store.

    Raises NoSuchProduct, and AloneOnShelf when one is left behind alone without `alone`.
    """
    gone = update(products).where(products.c.id == product, products.c.removed.is_(False))
    shelf = connection.execute(
        select(products.c.shelf).where(products.c.id == product)
    ).scalar_one_or_none()
    if shelf is None or not connection.execute(gone.values(removed=True)).rowcount:
        raise NoSuchProduct
    if not alone:
        check_company(names_on(connection, shelf, 2))
    touch(connection)


def edit_product(
    connection: Connection,
    product: bytes,
    title: str | None,
    description: str | None,
    available: bool | None,
    tags: list[str] | None = None,
    wish: int | None = None,
) -> None:
    """Transaction: change the given columns. Raises NoSuchProduct, BadArgument."""
    values: dict[str, object] = {}
    if title is not None:
        values["title"] = check_title(title)
    if description is not None:
        values["description"] = check_description(description)
    if available is not None:
        values["available"] = available
    if tags is not None:
        values["tags"] = check_tags(tags)
    if wish is not None:
        values["wish"] = wish
    if not values:
        raise BadArgument("Give at least one option to change something.")
    found = update(products).where(products.c.id == product, products.c.removed.is_(False))
    if not connection.execute(found.values(values)).rowcount:
        raise NoSuchProduct
    touch(connection)
