"""Padded products, immutable, addressed by their root (protocol 8.1).

A product is a row of pieces of 1 MiB, the last one possibly shorter. Its piece list is the
BLAKE3-256 of each piece in order, 32 bytes each; its root is the labelled hash of that list.
"""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from veilmart.crypto.hash_functions import bulk_hash
from veilmart.errors import Misuse, StoreDamaged
from veilmart.limits import HASH_BYTES, PIECE_BYTES, PIECES_MAX
from veilmart.protocol.encoding import labelled_hash
from veilmart.protocol.labels import PIECE_LIST
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.storage.files.home import sync_folder

_DATA = "data"
_LIST = "pieces"


def root_of(piece_list: bytes) -> bytes:
    """The root, 32 bytes, of a piece list of 32 bytes per piece."""
    return labelled_hash(PIECE_LIST, piece_list)


def root_named(name: str) -> bytes | None:
    """From 64 hex digits; None for the name of something else."""
    try:
        root = bytes.fromhex(name)
    except ValueError:
        return None
    return root if len(root) == HASH_BYTES else None


class ProductStore(Protocol):
    """Where products lie. Every method may block; a folder or an object store is behind it."""

    def check(self) -> None:
        """Raises a `StorageFailure` when it cannot be reached or used."""

    def learn(self) -> None:
        """Read beforehand what a product's first `read` would otherwise read once.

        So that a product's first sale costs what every other costs. Raises a `StorageFailure`.
        """

    def put(self, pieces: Iterable[bytes], size: int) -> bytes:
        """Store `size` bytes given piece by piece, durably; the root. Same again: same root."""

    def roots(self) -> Iterator[bytes]:
        """Every product that is there, 32 bytes each, in no order. Raises a `StorageFailure`."""

    def remove(self, root: bytes) -> None:
        """Remove a product that nothing names, as far as possible."""

    def has(self, root: bytes) -> bool:
        """Whether the product is there, whole by its length."""

    def size(self, root: bytes) -> int:
        """Its length in bytes. Raises `StoreDamaged`."""

    def piece_list(self, root: bytes) -> bytes:
        """Its piece list, checked against the root. Raises `StoreDamaged`."""

    def read(self, root: bytes, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`. Raises `StoreDamaged` when missing or short."""


class FolderStore:
    """A `ProductStore` in a folder: `ab/<root in hex>/data` and `pieces` beside it."""

    def __init__(self, folder: Path | str) -> None:
        """Creates the folder with mode 0700 and clears away what a killed `put` left."""
        self._folder = Path(folder).absolute()
        self._fresh = self._folder / "new"
        with typed_file_errors("The product store"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fresh.mkdir(mode=0o700, exist_ok=True)
            self._clear()

    def check(self) -> None:
        """See `ProductStore`: opening it has made the folder."""

    def learn(self) -> None:
        """See `ProductStore`: each `read` is one read of one file, the first too."""

    def put(self, pieces: Iterable[bytes], size: int) -> bytes:
        """See `ProductStore`. Raises `Misuse` for wrong piece lengths, `DiskFull`, `CannotWrite`.

        What reached the disk is read back and compared before the product gets its place.
        """
        if not 0 < size <= PIECES_MAX * PIECE_BYTES:
            raise Misuse("A product has 1 byte to 16 GiB.")
        with typed_file_errors("The product store"), self._workshop() as workshop:
            with (workshop / _DATA).open("xb") as stream:
                hashes = _write_pieces(stream, pieces, size)
            _compare(workshop / _DATA, hashes)
            piece_list = b"".join(hashes)
            with (workshop / _LIST).open("xb") as stream:
                stream.write(piece_list)
                _sync(stream)
            sync_folder(workshop)
            root = root_of(piece_list)
            self._place(workshop, root)
            return root

    def has(self, root: bytes) -> bool:
        """See `ProductStore`."""
        try:
            return self.size(root) > 0
        except StoreDamaged:
            return False

    def size(self, root: bytes) -> int:
        """See `ProductStore`."""
        place = self._where(root)
        try:
            size = (place / _DATA).stat().st_size
            pieces = (place / _LIST).stat().st_size // HASH_BYTES
        except OSError as fault:
            raise _damaged(root) from fault
        if not (pieces - 1) * PIECE_BYTES < size <= pieces * PIECE_BYTES:
            raise _damaged(root)
        return size

    def piece_list(self, root: bytes) -> bytes:
        """See `ProductStore`."""
        try:
            piece_list = (self._where(root) / _LIST).read_bytes()
        except OSError as fault:
            raise _damaged(root) from fault
        if root_of(piece_list) != root:
            raise _damaged(root)
        return piece_list

    def read(self, root: bytes, offset: int, length: int) -> bytes:
        """See `ProductStore`."""
        if offset < 0 or length < 0:
            raise Misuse("A range begins at 0 and has no negative length.")
        try:
            descriptor = os.open(self._where(root) / _DATA, os.O_RDONLY | os.O_CLOEXEC)
            try:
                content = os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)
        except OSError as fault:
            raise _damaged(root) from fault
        if len(content) != length:
            raise _damaged(root)
        return content

    def roots(self) -> Iterator[bytes]:
        """See `ProductStore`."""
        with typed_file_errors("The product store"):
            for place in self._folder.glob("[0-9a-f][0-9a-f]/*"):
                root = root_named(place.name)
                if root is not None:
                    yield root

    def remove(self, root: bytes) -> None:
        shutil.rmtree(self._where(root), ignore_errors=True)

    def _where(self, root: bytes) -> Path:
        if len(root) != HASH_BYTES:
            raise Misuse("A root has 32 bytes.")
        name = root.hex()
        return self._folder / name[:2] / name

    def _place(self, workshop: Path, root: bytes) -> None:
        place = self._where(root)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            workshop.rename(place)
        except OSError as fault:
            if fault.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            if self.has(root) and _intact(place):
                return  # the same root is the same bytes
            place.rename(self._fresh / f"damaged-{secrets.token_hex(8)}")
            workshop.rename(place)
        sync_folder(place.parent)
        sync_folder(self._folder)

    @contextmanager
    def _workshop(self) -> Iterator[Path]:
        """A locked folder of one's own; removed unless it was renamed into its place."""
        workshop = self._fresh / secrets.token_hex(16)
        workshop.mkdir(mode=0o700)
        descriptor = os.open(workshop, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield workshop
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
            os.close(descriptor)

    def _clear(self) -> None:
        for left in self._fresh.iterdir():
            try:
                descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # another process has just finished with it
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            except BlockingIOError:
                continue  # another process is at work in it
            finally:
                os.close(descriptor)


def _write_pieces(stream: BinaryIO, pieces: Iterable[bytes], size: int) -> list[bytes]:
    hashes = []
    left = size
    for piece in pieces:
        if len(piece) != min(left, PIECE_BYTES) or not left:
            raise Misuse("Every piece but the last has 1 MiB, and together they have the size.")
        stream.write(piece)
        hashes.append(bulk_hash(piece))
        left -= len(piece)
    if left:
        raise Misuse(f"The pieces are {left} bytes short.")
    _sync(stream)
    return hashes


def _compare(data: Path, hashes: list[bytes]) -> None:
    with data.open("rb") as stream:
        for expected in hashes:
            if bulk_hash(stream.read(PIECE_BYTES)) != expected:
                raise StoreDamaged("What was written could not be read back.")


def _intact(place: Path) -> bool:
    try:
        listed = (place / _LIST).read_bytes()
        _compare(place / _DATA, [listed[i : i + 32] for i in range(0, len(listed), 32)])
    except (OSError, StoreDamaged):
        return False
    return True


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _damaged(root: bytes) -> StoreDamaged:
    return StoreDamaged(f"The product {root.hex()[:16]}...")
