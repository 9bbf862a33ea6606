"""Shelves: one price, one padded size and one set of deadlines, fixed for the shelf's life."""

from sqlalchemy import Connection, bindparam, func, insert, select, update

from veilmart.characters import is_plain
from veilmart.crypto.padding import shelf_bytes
from veilmart.errors import BadArgument, NoSuchShelf
from veilmart.limits import (
    CODE_DELIVER_WITHIN_SECONDS,
    CODE_PAY_WITHIN_SECONDS,
    DELIVER_WITHIN_SECONDS,
    PAY_WITHIN_SECONDS,
    PIECE_BYTES,
    PIECES_MAX,
    SETTLE_WITHIN_SECONDS,
    SHELVES_MAX,
)
from veilmart.merchant.goods.shop_row import touch
from veilmart.merchant.schema.tables import products, shelves
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.descriptor import Shelf

NAME_MAX_CHARACTERS = 64
_COLUMNS = ("id", "name", "price", "size", "pay_within", "deliver_within", "settle_within")
_ALL = select(shelves).where(shelves.c.retired.is_(False)).order_by(shelves.c.id)
_CODES = select(shelves.c.id).where(shelves.c.codes.is_(True))
_LAST = select(func.coalesce(func.max(shelves.c.id), 0))
_EMPTY = (
    select(shelves.c.id, shelves.c.name)
    .where(shelves.c.retired.is_(False))
    .where(
        ~select(products.c.id)
        .where(products.c.shelf == shelves.c.id, products.c.removed.is_(False))
        .exists()
    )
)
_RETIRE = (
    update(shelves)
    .where(shelves.c.id == bindparam("at"))
    .values(retired=True, name=bindparam("as"))
)


def load_shelves(connection: Connection) -> tuple[Shelf, ...]:
    """Transaction: all shelves in use, oldest first."""
    return tuple(
        Shelf(**{column: getattr(row, column) for column in _COLUMNS})
        for row in connection.execute(_ALL)
    )


def code_shelves(connection: Connection) -> frozenset[int]:
    """Transaction: the numbers of the shelves of unique codes, retired ones too."""
    return frozenset(connection.execute(_CODES).scalars())


def retire_empty(connection: Connection) -> tuple[str, ...]:
    """Transaction: retire empty shelves; return their names.

    Their numbers are never used again: orders and descriptors name them.
    """
    empty = connection.execute(_EMPTY).all()
    for row in empty:
        connection.execute(_RETIRE, {"at": row.id, "as": f"{row.name} (retired {row.id})"})
    if empty:
        touch(connection)
    return tuple(row.name for row in empty)


def find_shelf(known: tuple[Shelf, ...], name: str) -> Shelf:
    """By name or by number. Raises NoSuchShelf."""
    for shelf in known:
        if name in (shelf.name, str(shelf.id)):
            return shelf
    raise NoSuchShelf(repr(name[:NAME_MAX_CHARACTERS]))


def create_shelf(connection: Connection, name: str, price: int, size: int) -> Shelf:
    """Transaction: `make_shelf` for products without codes, seen by the running server at once."""
    shelf = make_shelf(connection, name, price, size)
    touch(connection)
    return shelf


def make_shelf(
    connection: Connection,
    name: str,
    price: int,
    size: int,
    *,
    codes: bool = False,
    leaving: int = 0,
) -> Shelf:
    """Part of a transaction: a shelf for products of up to `size` packed bytes.

    `size` is rounded up as the protocol prescribes. The shop's revision is not raised. `price` must
    have been checked against the broker's price points. A shelf of `codes` has shorter deadlines,
    so that an unpaid code is soon offered to others. leaving: how many shelves the same transaction
    retires.

    Raises BadArgument when the name is taken or there are too many shelves already.
    """
    if not 0 < size <= PIECES_MAX * PIECE_BYTES:
        raise BadArgument("A shelf holds products of 1 byte to 16 GiB.")
    if not name or len(name) > NAME_MAX_CHARACTERS or not is_plain(name):
        raise BadArgument("A shelf's name is 1 to 64 printable characters.")
    known = load_shelves(connection)
    if any(shelf.name == name for shelf in known):
        raise BadArgument(f"There is a shelf {name} already.")
    if len(known) - leaving >= SHELVES_MAX:
        raise BadArgument(f"A merchant has {SHELVES_MAX} shelves at most.")
    shelf = Shelf(
        id=int(connection.execute(_LAST).scalar_one()) + 1,
        name=name,
        price=price,
        size=min(shelf_bytes(size), PIECES_MAX * PIECE_BYTES),
        pay_within=CODE_PAY_WITHIN_SECONDS if codes else PAY_WITHIN_SECONDS,
        deliver_within=CODE_DELIVER_WITHIN_SECONDS if codes else DELIVER_WITHIN_SECONDS,
        settle_within=SETTLE_WITHIN_SECONDS,
    )
    values = {column: getattr(shelf, column) for column in _COLUMNS}
    values |= {"codes": codes, "window": 0, "quota": 0, "retired": False}
    connection.execute(insert(shelves).values(values))
    return shelf


def automatic_name(known: tuple[Shelf, ...], price: int, size: int, decimals: int) -> str:
    """Such as "5.00-256K", with a number behind it when the name is taken."""
    unit, letter = (1024 * 1024, "M") if size % (1024 * 1024) == 0 else (1024, "K")
    name = f"{format_amount(price, decimals)}-{size // unit}{letter}"
    taken = {shelf.name for shelf in known}
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    return unique


def smallest_fit(known: tuple[Shelf, ...], packed: int, price: int | None) -> Shelf | None:
    """The shelf with the least padding for `packed` bytes, the cheaper one of two equals."""
    fitting = [
        shelf for shelf in known if shelf.size >= packed and (price is None or shelf.price == price)
    ]
    return min(fitting, key=lambda shelf: (shelf.size, shelf.price, shelf.id), default=None)
