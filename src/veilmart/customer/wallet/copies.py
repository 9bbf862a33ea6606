"""Copies: what an order paid for, fetched once more, or a newer version of it.

A copy is due (at a random moment of a window, so that a new version does not bring everybody who
owns the old one at once), then fetching, then done. Its pieces lie in the wallet until the file is
finished; a fetch that was cut off goes on where it was.
"""

from dataclasses import dataclass, field, fields

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from veilmart.customer.schema.tables import copies
from veilmart.customer.wallet.parcels import Parcels
from veilmart.limits import HASH_BYTES
from veilmart.protocol import labels
from veilmart.protocol.encoding import labelled_hash
from veilmart.protocol.parcel import piece_count, piece_hash, piece_length

DUE = "due"
FETCHING = "fetching"
DONE = "done"
THERE = b"\x01"
"""Stands before every stored piece: one of zeros is no hole in the file."""


@dataclass(frozen=True)
class Copy:
    """order: the one that paid (32). root: of this version (32). pieces: its list, once known."""

    order: bytes
    root: bytes
    version: int
    state: str
    due_at: int
    out_folder: str
    pieces: bytes = field(repr=False)
    changed_at: int
    file_path: str | None = None

    @property
    def name(self) -> bytes:
        """32 bytes under which its pieces are stored."""
        return labelled_hash(labels.COPY, self.order, self.root)


_COLUMNS = tuple(item.name for item in fields(Copy))
_SELECT = select(*(copies.c[name] for name in _COLUMNS)).order_by(copies.c.due_at, copies.c.root)
_INSERT = insert(copies)
_ONE = _SELECT.where(copies.c.order == bindparam("of"), copies.c.root == bindparam("at_root"))
_OPEN = _SELECT.where(copies.c.state != DONE)
_DROP = delete(copies).where(
    copies.c.order == bindparam("of"), copies.c.root == bindparam("at_root")
)
_CHANGEABLE = ("state", "due_at", "out_folder", "pieces", "changed_at", "file_path")
_UPDATE = (
    update(copies)
    .where(copies.c.order == bindparam("of"), copies.c.root == bindparam("at_root"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGEABLE})
)


def find_copy(connection: Connection, order: bytes, root: bytes) -> Copy | None:
    row = connection.execute(_ONE, {"of": order, "at_root": root}).one_or_none()
    return None if row is None else Copy(*row)


def all_copies(connection: Connection) -> list[Copy]:
    """In the order in which they are due."""
    return [Copy(*row) for row in connection.execute(_SELECT)]


def open_copies(connection: Connection) -> list[Copy]:
    """Those that are not done, in the order in which they are due."""
    return [Copy(*row) for row in connection.execute(_OPEN)]


def save_copy(connection: Connection, copy: Copy) -> None:
    """Add it, or record what has become of it."""
    values = {f"new_{name}": getattr(copy, name) for name in _CHANGEABLE}
    known = connection.execute(_UPDATE, {"of": copy.order, "at_root": copy.root, **values})
    if not known.rowcount:
        connection.execute(_INSERT, {name: getattr(copy, name) for name in _COLUMNS})


def drop_copy(connection: Connection, copy: Copy) -> None:
    """It is no longer available: a newer version replaced it, or the product is gone."""
    connection.execute(_DROP, {"of": copy.order, "at_root": copy.root})


def store_piece(parcels: Parcels, name: bytes, index: int, size: int, data: bytes) -> None:
    """Write a piece into the place that a segment would have. Blocks; raises DiskFull."""
    parcels.store(name, index, size, THERE + data)


def read_piece(parcels: Parcels, copy: Copy, size: int, index: int) -> bytes | None:
    """A stored piece that is what the list says, or None. Blocks."""
    stored = parcels.read(copy.name, index, size)
    if stored is None or not stored.startswith(THERE):
        return None
    data = stored[len(THERE) : len(THERE) + piece_length(size, index)]
    wanted = copy.pieces[index * HASH_BYTES : (index + 1) * HASH_BYTES]
    return data if piece_hash(data) == wanted else None


def missing_pieces(parcels: Parcels, copy: Copy, size: int) -> tuple[int, ...]:
    """Which pieces have to be fetched. Blocks: reads what is there."""
    count = piece_count(size)
    if not parcels.file_of(copy.name).exists():
        return tuple(range(count))
    return tuple(i for i in range(count) if read_piece(parcels, copy, size, i) is None)


def newest_copies(connection: Connection) -> dict[bytes, Copy]:
    """Order → its newest finished copy."""
    found: dict[bytes, Copy] = {}
    for copy in all_copies(connection):
        known = found.get(copy.order)
        if copy.state == DONE and (known is None or copy.version >= known.version):
            found[copy.order] = copy
    return found
