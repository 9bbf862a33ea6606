"""`shelf propose` and `shelf apply`: from the products on sale to better shelves, and onto them.

A product that moves is unpacked from the store and packed anew for its new shelf, under a new
root; orders of the old one are served on. Its id stays, and its version: the content is the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select, update

from veilmart.crypto.padding import PRODUCT_PREFIX_MAX_BYTES, pack_product, parse_prefix
from veilmart.errors import AloneOnShelf, BadArgument
from veilmart.limits import PIECE_BYTES, SHELVES_MAX
from veilmart.merchant.goods.products import ShopProduct, load_products
from veilmart.merchant.goods.shelves import (
    automatic_name,
    code_shelves,
    load_shelves,
    make_shelf,
    retire_empty,
)
from veilmart.merchant.goods.shop_row import read_shop, touch
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.schema.tables import products
from veilmart.merchant.stocking.adding import ProductPacked, check_price
from veilmart.merchant.stocking.packing import gone_if_refused, named
from veilmart.merchant.stocking.shelf_planning import Item, PlannedShelf, plan_shelves
from veilmart.protocol.descriptor import Shelf
from veilmart.storage.products.folder_store import ProductStore

RANDOM_BYTES = 32
VALUES_AT_ONCE = 500
T = TypeVar("T")

_MOVE = (
    update(products)
    .where(products.c.id == bindparam("moved"))
    .values({"shelf": bindparam("to"), "root": bindparam("now"), "pieces": bindparam("listed")})
)
_IN_THE_WAY = select(products.c.id, products.c.file_name).where(
    products.c.shelf == bindparam("at"),
    products.c.file_name.in_(bindparam("names", expanding=True)),
    products.c.removed.is_(True),
)
_ROOTS = select(products.c.id, products.c.root).where(
    products.c.id.in_(bindparam("ids", expanding=True))
)
_STEP_ASIDE = (
    update(products).where(products.c.id == bindparam("gone")).values(file_name=bindparam("as"))
)


@dataclass(frozen=True)
class Proposal:
    """shelves: as planned. now, then: bytes of filler of the products before and after."""

    shelves: tuple[PlannedShelf[ShopProduct], ...]
    k: int
    now: int
    then: int
    content: int


@dataclass(frozen=True)
class Applied:
    """The last thing that `apply_proposal` yields. retired: names of shelves that are empty now."""

    moved: int
    created: int
    retired: tuple[str, ...]


@dataclass(frozen=True)
class Move:
    """shelf: where it goes. root, pieces: as packed for that shelf."""

    product: ShopProduct
    shelf: int
    root: bytes
    pieces: bytes


def packed_size(product: ShopProduct) -> int:
    """Bytes of prefix and content."""
    prefix = len(pack_product(bytes(RANDOM_BYTES), product.file_name, product.size))
    return prefix + product.size


def propose(connection: Connection, k: int) -> Proposal:
    """Transaction: the split with the least padding of what is on sale now, codes aside.

    A product's price is the one wished for it (`edit --wish`), else its shelf's.
    """
    shelves = {shelf.id: shelf for shelf in load_shelves(connection)}
    standing = [product for product in load_products(connection) if not product.codes]
    if not standing:
        raise BadArgument("Nothing is on sale that could be moved.")
    items = [
        Item(product, product.wish or shelves[product.shelf].price, packed_size(product))
        for product in standing
    ]
    room = SHELVES_MAX - sum(shelf in shelves for shelf in code_shelves(connection))
    planned = tuple(plan_shelves(items, k, room))
    content = sum(item.packed for item in items)
    stored = sum(shelves[product.shelf].size for product in standing)
    then = sum(shelf.padding for shelf in planned)
    return Proposal(planned, k, stored - content, then, content)


def check_proposal(proposal: Proposal, alone: bool) -> None:
    """Raises AloneOnShelf when a shelf would hold a single product, without `alone`."""
    for shelf in proposal.shelves:
        if len(shelf.items) == 1 and not alone:
            name = shelf.items[0].key.file_name
            raise AloneOnShelf(f"{name} would be: nothing else has its price.")


def apply_proposal(
    market: MerchantHome, proposal: Proposal, random: Callable[[int], bytes]
) -> Iterator[ProductPacked | Applied]:
    """Use case: yields progress, `Applied` last. Until the end nothing changes for customers.

    Raises BadArgument when something on sale changed meanwhile, NotAPricePoint for a new shelf
    whose price the broker has given up, StoreDamaged, DiskFull.
    """
    known = market.database.run_now(_ordinary)
    targets = [_existing(known, shelf) for shelf in proposal.shelves]
    for shelf, target in zip(proposal.shelves, targets, strict=True):
        if target is None:
            market.database.run_now(check_price, shelf.price)
    moves = [
        (number, item.key)
        for number, shelf in enumerate(proposal.shelves)
        for item in shelf.items
        if targets[number] is None or item.key.shelf != targets[number]
    ]
    moved = []
    with gone_if_refused(market.store) as roots:
        for done, (number, product) in enumerate(moves, start=1):
            size = proposal.shelves[number].size
            roots.append(repack(market.store, product, size, random))
            pieces = market.store.piece_list(roots[-1])
            moved.append(Move(product, number, roots[-1], pieces))
            yield ProductPacked(done, len(moves), product.file_name)
        with named(roots):
            applied = market.database.run_now(_carry_out, proposal, tuple(targets), tuple(moved))
    yield applied


def _ordinary(connection: Connection) -> tuple[Shelf, ...]:
    with_codes = code_shelves(connection)
    return tuple(shelf for shelf in load_shelves(connection) if shelf.id not in with_codes)


def _existing(known: Sequence[Shelf], wanted: PlannedShelf[ShopProduct]) -> int | None:
    """A shelf of this price and size that is there already; where most of the products stand."""
    fits = [shelf.id for shelf in known if (shelf.price, shelf.size) == (wanted.price, wanted.size)]
    standing = [item.key.shelf for item in wanted.items]
    return max(fits, key=lambda shelf: (standing.count(shelf), -shelf), default=None)


def repack(
    store: ProductStore, product: ShopProduct, size: int, random: Callable[[int], bytes]
) -> bytes:
    """The product in the store once more, padded to `size` bytes: its new root (32).

    Raises StoreDamaged, DiskFull, CannotWrite. One piece is in memory at a time.
    """
    before = store.size(product.root)
    beginning = store.read(product.root, 0, min(before, PRODUCT_PREFIX_MAX_BYTES))
    name, content, start = parse_prefix(beginning)
    prefix = pack_product(random(RANDOM_BYTES), name, content)
    return store.put(_pieces(store, product.root, prefix, start, content, size), size)


def _pieces(
    store: ProductStore, root: bytes, prefix: bytes, start: int, content: int, size: int
) -> Iterator[bytes]:
    piece = bytearray(prefix)
    done = 0
    for begin in range(0, size, PIECE_BYTES):
        length = min(PIECE_BYTES, size - begin)
        block = min(content - done, length - len(piece))
        piece += store.read(root, start + done, block) if block else b""
        done += block
        yield bytes(piece.ljust(length, b"\0"))
        piece.clear()


def _carry_out(
    connection: Connection,
    proposal: Proposal,
    targets: tuple[int | None, ...],
    moved: tuple[Move, ...],
) -> Applied:
    decimals = read_shop(connection).decimals
    leaving = sum(shelf.id not in targets for shelf in _ordinary(connection))
    numbers = []
    for shelf, target in zip(proposal.shelves, targets, strict=True):
        if target is None:
            name = automatic_name(load_shelves(connection), shelf.price, shelf.size, decimals)
            fresh = make_shelf(connection, name, shelf.price, shelf.size, leaving=leaving)
            numbers.append(fresh.id)
        else:
            numbers.append(target)
    move_products(connection, [replace(move, shelf=numbers[move.shelf]) for move in moved])
    retired = retire_empty(connection)
    touch(connection)
    return Applied(len(moved), targets.count(None), retired)


def move_products(connection: Connection, moves: Sequence[Move]) -> None:
    """Part of a transaction, which raises the shop's revision at its end.

    Its statements do not grow with the products, but with hundreds of them: a shop that sells
    meanwhile waits for it. Raises BadArgument when a product has changed since it was read.
    """
    for shelf in {move.shelf for move in moves}:
        names = [move.product.file_name for move in moves if move.shelf == shelf]
        # A removed product keeps its row for its orders, but not its name.
        aside = [
            {"gone": row.id, "as": f"{row.file_name} (removed {row.id.hex()[:8]})"}
            for part in _parts(names)
            for row in connection.execute(_IN_THE_WAY, {"at": shelf, "names": part})
        ]
        if aside:
            connection.execute(_STEP_ASIDE, aside)
    roots: dict[bytes, bytes] = {}
    for part in _parts([move.product.id for move in moves]):
        roots |= {row.id: row.root for row in connection.execute(_ROOTS, {"ids": part})}
    for move in moves:
        if roots.get(move.product.id) != move.product.root:
            raise BadArgument(f"{move.product.file_name} was changed meanwhile; propose again.")
    rows = [
        {"moved": move.product.id, "to": move.shelf, "now": move.root, "listed": move.pieces}
        for move in moves
    ]
    if rows:
        connection.execute(_MOVE, rows)


def _parts(values: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), VALUES_AT_ONCE):
        yield values[start : start + VALUES_AT_ONCE]
