"""Sealed segments on the disk: home/parcels/<order>/<index>, as they were received.

Nothing here is fsynced one by one: `make_durable` syncs a whole parcel once, before the wallet
records HELD and asks for the key. What a crash leaves half written before that does not verify and
is fetched again.
"""

import os
import shutil
from pathlib import Path

from veilmart.customer.order import Order, terms_of
from veilmart.errors import MalformedMessage, SignatureInvalid
from veilmart.protocol.parcel import check_segment, segment_length
from veilmart.storage.disk_errors import typed_file_errors
from veilmart.storage.home import sync_folder


class Parcels:
    """The folder of all parcels. Every method blocks; call it off the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder_of(self, order: bytes) -> Path:
        return self._folder / order.hex()

    def store(self, order: bytes, index: int, segment: bytes) -> None:
        """Write segment `index`. Raises DiskFull, CannotWrite."""
        folder = self.folder_of(order)
        with typed_file_errors(f"The folder {self._folder}"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(
                folder / str(index), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                view = memoryview(segment)
                while view:
                    view = view[os.write(stream.fileno(), view) :]

    def make_durable(self, order: bytes, count: int) -> None:
        """Sync segments 0 to count - 1 and the folders' entries. Raises DiskFull, CannotWrite."""
        folder = self.folder_of(order)
        with typed_file_errors(f"The folder {self._folder}"):
            for index in range(count):
                descriptor = os.open(folder / str(index), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            sync_folder(folder)
            sync_folder(self._folder)

    def read(self, order: bytes, index: int, max_bytes: int) -> bytes | None:
        """A stored segment of at most `max_bytes` bytes, or None. Raises CannotWrite."""
        with typed_file_errors(f"The folder {self._folder}"):
            try:
                with (self.folder_of(order) / str(index)).open("rb") as stream:
                    return stream.read(max_bytes + 1)
            except FileNotFoundError:
                return None

    def missing(self, order: Order) -> tuple[int, ...]:
        """The segments that are not there, or that do not verify any more."""
        terms = terms_of(order)
        if not self.folder_of(order.order).is_dir():
            return tuple(range(terms.count))
        return tuple(
            index
            for index in range(terms.count)
            if not self._verifies(order.order, index, terms.offer.size, terms.signing_key)
        )

    def _verifies(self, order: bytes, index: int, size: int, signing_key: bytes) -> bool:
        segment = self.read(order, index, segment_length(size, index))
        if segment is None:
            return False
        try:
            check_segment(signing_key, order, index, size, segment)
        except (MalformedMessage, SignatureInvalid):
            return False
        return True

    def drop(self, order: bytes) -> None:
        """Remove the parcel. What cannot be removed stays; it is sealed, and only takes room."""
        shutil.rmtree(self.folder_of(order), ignore_errors=True)
