"""Sealed segments on the disk: one file per order, home/parcels/<order>, as they were received.

Segment i lies at i times the length of a full one; where nothing was written yet there is nothing
that verifies. So no list of what is there has to be kept, or can be wrong: `missing` looks. The
file is synced now and then while it grows, and by `make_durable` once, before the wallet records
HELD and asks for the key. What a crash leaves half written does not verify and is fetched again.

A parcel of one small segment is a row of the wallet's database instead. A file needs three syncs of
its own before the key may be asked for; a row is durable with the commit that records HELD, and
goes with the one that records DONE.
"""

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, insert, select

from veilmart.customer.schema.tables import parcels
from veilmart.customer.wallet.orders import Order, Terms, forget_fault, save_order, terms_of
from veilmart.errors import MalformedMessage, SignatureInvalid
from veilmart.limits import PARCEL_IN_DATABASE_MAX_BYTES
from veilmart.protocol.parcel import check_segment, segment_length
from veilmart.storage.database.prepared import Prepared
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.storage.files.home import sync_folder

SYNC_EVERY_SEGMENTS = 32
_BEGINNING_BYTES = 64
_STORE = Prepared(insert(parcels).prefix_with("OR REPLACE"))
_FIND = select(parcels.c.segment).where(parcels.c.order == bindparam("at_order"))
_DROP = Prepared(delete(parcels).where(parcels.c.order == bindparam("at_order")))


class Parcels:
    """The folder of all parcels. Every method blocks; call it off the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> Path:
        """The nearest folder above the parcels that is there."""
        return next(place for place in (self._folder, *self._folder.parents) if place.is_dir())

    def file_of(self, order: bytes) -> Path:
        return self._folder / order.hex()

    def store(self, order: bytes, index: int, size: int, segment: bytes | memoryview) -> None:
        """Write segment `index` of a product of `size` padded bytes. Raises DiskFull,
        CannotWrite.
        """
        with typed_file_errors(f"The folder {self._folder}"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self.file_of(order), flags, 0o600)
            try:
                at = index * segment_length(size, 0)
                view = memoryview(segment)
                while view:
                    written = os.pwrite(descriptor, view, at)
                    view, at = view[written:], at + written
                if index % SYNC_EVERY_SEGMENTS == SYNC_EVERY_SEGMENTS - 1:
                    os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def make_durable(self, order: bytes) -> None:
        """Sync the parcel and its folder's entry. Raises DiskFull, CannotWrite."""
        with typed_file_errors(f"The folder {self._folder}"):
            descriptor = os.open(self.file_of(order), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(self._folder)

    def read(self, order: bytes, index: int, size: int) -> bytes | None:
        """What lies where segment `index` belongs, None when nothing does. Raises CannotWrite."""
        with typed_file_errors(f"The folder {self._folder}"):
            try:
                descriptor = os.open(self.file_of(order), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            try:
                at = index * segment_length(size, 0)
                # A hole in the file is zeros, and no signature is.
                if not any(os.pread(descriptor, _BEGINNING_BYTES, at)):
                    return None
                return os.pread(descriptor, segment_length(size, index), at)
            finally:
                os.close(descriptor)

    def missing(self, order: Order) -> tuple[int, ...]:
        """The segments that are not there, or that do not verify any more."""
        terms = terms_of(order)
        if not self.file_of(order.order).exists():
            return tuple(range(terms.count))
        return tuple(
            index
            for index in range(terms.count)
            if not self._verifies(order.order, index, terms.offer.size, terms.signing_key)
        )

    def _verifies(self, order: bytes, index: int, size: int, signing_key: bytes) -> bool:
        segment = self.read(order, index, size)
        if segment is None:
            return False
        try:
            check_segment(signing_key, order, index, size, segment)
        except (MalformedMessage, SignatureInvalid):
            return False
        return True

    def drop(self, order: bytes) -> None:
        """Remove the parcel. What cannot be removed stays; it is sealed, and only takes room."""
        with suppress(OSError):
            self.file_of(order).unlink(missing_ok=True)


def keep_segment(
    parcels: Parcels,
    order: bytes,
    index: int,
    size: int,
    signing_key: bytes,
    segment: bytes | memoryview,
) -> None:
    """Verify a segment of a large parcel and write it. Blocks.

    size: of the padded product. signing_key: the merchant's, 32 bytes. Raises MalformedMessage and
    SignatureInvalid for one that was damaged on the way, DiskFull, CannotWrite.
    """
    check_segment(signing_key, order, index, size, segment)
    parcels.store(order, index, size, segment)


# ---- small parcels, rows of the database ---------------------------------------------------------


def is_small(terms: Terms) -> bool:
    """Whether the order's parcel is kept in the database. Depends on the shelf's size alone."""
    return terms.count == 1 and segment_length(terms.offer.size, 0) <= PARCEL_IN_DATABASE_MAX_BYTES


def store_segment(connection: Connection, order: bytes, segment: bytes) -> None:
    """Keep the verified sealed segment; another one for the same order is replaced."""
    _STORE.run(connection, {"order": order, "segment": segment})


def stored_segment(connection: Connection, order: bytes) -> bytes | None:
    """The stored segment, unverified."""
    found = connection.execute(_FIND, {"at_order": order}).scalar_one_or_none()
    return None if found is None else bytes(found)


def save_held(connection: Connection, order: Order, segment: bytes | None) -> None:
    """The HELD commit, with the segment where the parcel is small."""
    save_order(connection, order)
    if segment is not None:
        store_segment(connection, order.order, segment)


def save_ended(connection: Connection, order: Order) -> None:
    """The last commit of a purchase: what was kept of parcel and fault is not needed any more."""
    save_order(connection, order)
    _DROP.run(connection, {"at_order": order.order})
    forget_fault(connection, order.order)
