"""Unique codes: licence keys and gift cards, one line each, one per sale, never twice.

A code is a product of its own: 32 random bytes, name, line, filler. Its root therefore says
nothing about it, and the offer can name the root before anything is paid.

States of a code:

    free     → reserved   an offer was made for it (same transaction as the order)
    reserved → sold       the broker asked for its segment: it holds the payment
    reserved → free       nobody paid, and nobody can have: `free_at` has passed
    sold     → free       the broker refunded, which says that the key has not been out; an order
                          that was "returned" keeps its code: somebody may have read it

`free_at` is the offer's last second, plus the shelf's delivery time, plus the clocks' skew: a
payment that the broker took in time is delivered or refunded by then. So a code is never promised
to two people who can both pay for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection, bindparam, case, func, insert, literal_column, select, update

from veilmart.crypto.padding import pack_product
from veilmart.errors import BadArgument, ProductOut, WrongOrderState
from veilmart.limits import CLOCK_SKEW_SECONDS, CODE_MAX_BYTES
from veilmart.merchant.goods.products import ShopProduct
from veilmart.merchant.goods.shelves import find_shelf, load_shelves
from veilmart.merchant.sales.code_stock_windows import (
    begin_stock,
    number_order,
    orders_left,
    recount,
)
from veilmart.merchant.sales.orders import Order, store_order
from veilmart.merchant.schema.tables import codes, orders
from veilmart.protocol.descriptor import Shelf
from veilmart.protocol.parcel import piece_hash, piece_list_root
from veilmart.protocol.typed_text import is_opaque, opaque
from veilmart.protocol.unicode_forms import normalize

SALT_BYTES = 32
FREE, RESERVED, SOLD = "free", "reserved", "sold"

T = TypeVar("T")


@dataclass(frozen=True)
class CodesAdded:
    """known: lines that were there already, for this product or another one."""

    added: int
    known: int


@dataclass(frozen=True)
class Stock:
    """Codes of one product by state; only the merchant sees it.

    unconfirmed: perhaps sold since the restored backup, and therefore not offered.
    """

    product: bytes
    free: int
    reserved: int
    sold: int
    unconfirmed: int = 0


_AROUND = "\ufeff\u200b\u2060"  # byte order mark, zero-width space, word joiner
_KNOWN = select(codes.c.id).where(codes.c.line == bindparam("line"))
_INSERT = insert(codes)
_ANY = select(codes.c.id).where(codes.c.product == bindparam("product_id")).limit(1)
_FIND = (
    select(codes.c.id, codes.c.root, codes.c.packed)
    # Word for word as in the index, or neither database knows that it has them.
    .where(codes.c.product == bindparam("product_id"), literal_column("codes.state = 'free'"))
    .where(codes.c.root >= bindparam("start"))
    .order_by(codes.c.root)  # an index gives it at once, however many codes there are
    .limit(1)
)
_TAKE = (
    select(codes.c.id)
    .where(codes.c.id == bindparam("code_id"), codes.c.state == FREE)
    .with_for_update(skip_locked=True)
)
_RESERVE = (
    update(codes)
    .where(codes.c.id == bindparam("code_id"), codes.c.state == FREE)
    .values(
        {
            "state": RESERVED,
            "order": bindparam("by"),
            "window": bindparam("in_window"),
            "number": bindparam("as_number"),
            "free_at": bindparam("until"),
        }
    )
)
_OF_ORDER = select(codes.c.id, codes.c.state, codes.c.packed).where(
    codes.c.order == bindparam("name")
)
_SELL = update(codes).where(codes.c.order == bindparam("name")).values(state=SOLD, free_at=None)
_NOBODYS: dict[str, object] = {
    "state": FREE,
    "order": None,
    "window": None,
    "number": 0,
    "free_at": None,
}
# One that was restored may have been given back before, and sold to somebody else since.
_GIVE_BACK = (
    update(codes)
    .where(codes.c.order == bindparam("name"), codes.c.unconfirmed == 0)
    .values(_NOBODYS)
)
_GIVE_BACK_UNPAID = (
    update(codes)
    .where(codes.c.state == RESERVED, codes.c.free_at <= bindparam("now"))
    .where(codes.c.unconfirmed == 0)
    .values(_NOBODYS)
)
_over = select(orders.c.order).where(orders.c.state.in_(("refunded", "expired")))
_waiting = (codes.c.unconfirmed == 1) & (
    codes.c.order.is_(None)
    | codes.c.order.in_(_over)
    | ((codes.c.state == RESERVED) & (codes.c.free_at <= bindparam("now")))
)
_WAITING = select(codes.c.line).where(_waiting).order_by(codes.c.product, codes.c.id)
_CONFIRM = update(codes).where(codes.c.line == bindparam("which"), _waiting)
_ALL = select(func.count()).select_from(codes)
_lost = (codes.c.unconfirmed == 1) & codes.c.order.is_(None)
_COUNTS = select(
    codes.c.product, codes.c.state, func.count(), func.sum(case((_lost, 1), else_=0))
).group_by(codes.c.product, codes.c.state)


def read_codes(lines: Iterable[str]) -> list[str]:
    """One code a line in one spelling; empty lines are passed over.

    White space and byte order marks around a code go, every space in it is U+0020, its letters are
    composed. Raises BadArgument for one that is too long, that has something that cannot be seen
    or is written in letters of another width, and for one that is there twice.
    """
    found: dict[str, None] = {}
    for number, text in enumerate(lines, start=1):
        line = opaque(text).strip().strip(_AROUND).strip()
        if not line:
            continue
        if not is_opaque(line) or len(line.encode()) > CODE_MAX_BYTES:
            raise BadArgument(f"Line {number} is not 1 to {CODE_MAX_BYTES} bytes of visible text.")
        if normalize("NFKC", line) != line:
            raise BadArgument(f"Line {number} has letters of another width or form.")
        if line in found:
            raise BadArgument(f"Line {number} is there twice.")
        found[line] = None
    if not found:
        raise BadArgument("There are no codes in it.")
    return list(found)


def unknown_codes(connection: Connection, lines: Iterable[str]) -> int:
    """Transaction: how many of the lines are new."""
    return sum(connection.execute(_KNOWN, {"line": line}).first() is None for line in lines)


def packed_code(random32: bytes, file_name: str, line: str) -> bytes:
    """The salted product of one code, without filler."""
    content = line.encode() + b"\n"
    return pack_product(random32, file_name, len(content)) + content


def add_codes(
    connection: Connection,
    product: ShopProduct,
    shelf: Shelf,
    lines: list[str],
    salts: list[bytes],
) -> CodesAdded:
    """Transaction: more stock. It is offered from the shelf's next window on.

    A product's first codes are offered sooner where the shelf has taken no order (page 8.6).

    salts: 32 random bytes each, as many as lines. Known codes do not change.
    """
    if connection.execute(_ANY, {"product_id": product.id}).first() is None:
        begin_stock(connection, product.id, shelf.id)
    added = 0
    for line, salt in zip(lines, salts, strict=True):
        if connection.execute(_KNOWN, {"line": line}).first() is not None:
            continue
        packed = packed_code(salt, product.file_name, line)
        values = {
            "product": product.id,
            "shelf": shelf.id,
            "line": line,
            "packed": packed,
            "root": piece_list_root(_piece_list(packed, shelf.size)),
            "state": FREE,
        }
        connection.execute(_INSERT, values)
        added += 1
    return CodesAdded(added, len(lines) - added)


def restock(
    connection: Connection, product: ShopProduct, lines: list[str], salts: list[bytes]
) -> CodesAdded:
    """Transaction: `add_codes` for a product that stands on its shelf already."""
    shelf = find_shelf(load_shelves(connection), str(product.shelf))
    return add_codes(connection, product, shelf, lines, salts)


def _piece_list(packed: bytes, size: int) -> bytes:
    return piece_hash(packed.ljust(size, b"\0"))


@dataclass(frozen=True)
class FreeCode:
    """id: of its row. packed: its product, without filler."""

    id: int
    root: bytes
    packed: bytes

    def of(self, product: ShopProduct, shelf: Shelf) -> ShopProduct:
        """The product with this code's root and piece list."""
        return replace(product, root=self.root, pieces=_piece_list(self.packed, shelf.size))


def find_code(
    connection: Connection, product: bytes, shelf: int, now: int, start: bytes
) -> FreeCode:
    """Transaction: a free code, for which an offer may be written; it is not reserved.

    start: 32 random bytes, so that requests at the same time hardly find the same one. Raises
    ProductOut, alike for every product of the shelf once the window's orders are used up.
    """
    _window, left = orders_left(connection, shelf, now)
    # Both are always asked for: how many codes a product has left must not show in the work.
    after, first = (
        connection.execute(_FIND, {"product_id": product, "start": root}).first()
        for root in (start, b"")
    )
    found = after or first
    if left < 1 or found is None:
        raise ProductOut
    return FreeCode(found.id, bytes(found.root), bytes(found.packed))


def sell_code(connection: Connection, code: int, shelf: Shelf, now: int, order: Order) -> bool:
    """Transaction: reserve the code and store the order that was written for it.

    False, with nothing done, when somebody else has taken it. Raises ProductOut.
    """
    window, left = orders_left(connection, shelf.id, now)
    if left < 1:
        raise ProductOut
    if connection.execute(_TAKE, {"code_id": code}).first() is None:
        return False
    store_order(connection, order)
    reserved = {
        "code_id": code,
        "by": order.order,
        "in_window": window,
        "as_number": number_order(connection, shelf.id),
        "until": order.pay_by + shelf.deliver_within + CLOCK_SKEW_SECONDS,
    }
    if connection.execute(_RESERVE, reserved).rowcount != 1:
        raise ProductOut
    return True


def code_asked(connection: Connection, name: bytes, size: int) -> bytes:
    """Transaction: the padded code of an order whose payment the broker holds; now it is sold.

    Raises WrongOrderState when it was given back: the payment came after every deadline.
    """
    found = connection.execute(_OF_ORDER, {"name": name}).first()
    if found is None:
        raise WrongOrderState("Its code was given back long after its time to pay.")
    if found.state != SOLD:
        connection.execute(_SELL, {"name": name})
    return bytes(found.packed).ljust(size, b"\0")


def code_ended(connection: Connection, name: bytes, key_out: bool) -> None:
    """Part of a transaction: the broker's report about an order on a shelf of codes."""
    connection.execute(_SELL if key_out else _GIVE_BACK, {"name": name})


def give_back_unpaid(connection: Connection, now: int) -> int:
    """Transaction: release offered codes that can no longer be paid for; how many."""
    return connection.execute(_GIVE_BACK_UNPAID, {"now": now}).rowcount


def code_count(connection: Connection) -> int:
    """Transaction: all codes there ever were."""
    return int(connection.execute(_ALL).scalar_one())


def stock(connection: Connection) -> dict[bytes, Stock]:
    """Transaction: by product id."""
    counts: dict[bytes, dict[str, int]] = {}
    lost: dict[bytes, int] = {}
    for product, state, count, unconfirmed in connection.execute(_COUNTS):
        counts.setdefault(product, {})[state] = count - int(unconfirmed)
        lost[product] = lost.get(product, 0) + int(unconfirmed)
    return {
        product: Stock(
            product,
            found.get(FREE, 0),
            found.get(RESERVED, 0),
            found.get(SOLD, 0),
            unconfirmed=lost[product],
        )
        for product, found in counts.items()
    }


def unconfirmed_codes(connection: Connection, now: int) -> list[str]:
    """Transaction: the lines that are not offered: perhaps sold since the backup."""
    return list(connection.execute(_WAITING, {"now": now}).scalars())


def confirm_codes(connection: Connection, lines: Iterable[str], now: int) -> int:
    """Transaction: these were not sold since the backup; how many are offered again.

    The stock of each shelf is counted again and shown at the next window.
    """
    confirmed = 0
    shelves = set()
    for line in lines:
        found = connection.execute(
            _CONFIRM.values({**_NOBODYS, "unconfirmed": 0}).returning(codes.c.shelf),
            {"which": line, "now": now},
        ).scalars()
        shelves |= (freed := set(found))
        confirmed += len(freed)
    for shelf in sorted(shelves):
        recount(connection, shelf)
    return confirmed
