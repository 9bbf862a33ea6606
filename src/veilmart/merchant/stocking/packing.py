"""From a file to padded bytes in the product store, streaming, one piece in memory at a time.

Padded product = 32 random bytes ‖ true length ‖ name ‖ content ‖ zeros, to the shelf's size
(docs/protocol/08-goods.md, section 1).
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from veilmart.characters import is_plain
from veilmart.crypto.padding import pack_product
from veilmart.errors import BadName, BadSourceFile, CannotDo, SourceChanged
from veilmart.limits import PIECE_BYTES
from veilmart.merchant.goods.products import Packed
from veilmart.protocol.typed_text import name_of_file, one_form
from veilmart.storage.database.refused import undone_if_refused
from veilmart.storage.files.names import check_file_name, shown_path
from veilmart.storage.products.folder_store import ProductStore

RANDOM_BYTES = 32
# What systems and programs leave in folders, and files that are not finished.
_LITTER = ("thumbs.db", "desktop.ini", "*.crdownload", "*.part", "*.partial", "*.tmp", "~$*", "*~")


@dataclass(frozen=True)
class Source:
    """A file to sell. file_name: what the customer's copy is called. size: bytes when looked at."""

    path: Path
    file_name: str
    title: str | None
    description: str | None
    size: int

    @property
    def packed_size(self) -> int:
        """Bytes without the filler."""
        return len(pack_product(bytes(RANDOM_BYTES), self.file_name, self.size)) + self.size


def sold_name(name: str) -> str:
    """What the customer's copy of a file is called. Raises BadName."""
    sold = check_file_name(name_of_file(name))
    if not is_plain(sold):
        raise BadName("It has characters that cannot be in a name.")
    return sold


def look_at(
    path: Path,
    *,
    file_name: str | None = None,
    title: str | None = None,
    description: str | None = None,
) -> Source:
    """Check name and kind of a file without reading it.

    Raises BadName, and BadSourceFile for what is not a regular file with content.
    """
    name = sold_name(path.name if file_name is None else file_name)
    with _opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
    if size == 0:
        raise BadSourceFile(f"{shown_path(path)} is empty.")
    return Source(path, name, title, description, size)


def sources_in(folder: Path, tell: Callable[[str], None] = lambda _line: None) -> list[Source]:
    """Every file of a folder, by name; skipped files are reported.

    Raises BadSourceFile for a folder without files, and for all that cannot be sold at once.
    """
    found, bad = [], []
    for path in files_in(folder, tell):
        try:
            found.append(look_at(path))
        except CannotDo as error:
            bad.append(said_of(path, error))
    if bad:
        raise BadSourceFile("\n".join(bad))
    if not found:
        raise BadSourceFile(f"{shown_path(folder)} has no files.")
    return found


def said_of(path: Path, error: CannotDo) -> str:
    """The fault of a file, after its name."""
    said = error.detail or error.summary
    name = shown_path(Path(path.name))
    return said if name in said else f"{name}: {said}"


def files_in(folder: Path, tell: Callable[[str], None]) -> list[Path]:
    """The files that can be sold, by name; skipped files are reported. Raises BadSourceFile."""
    try:
        found = sorted(folder.iterdir(), key=lambda path: one_form(path.name))
    except OSError as fault:
        raise BadSourceFile(f"{shown_path(folder)}: {fault.strerror}.") from fault
    files = []
    for path in found:
        name = shown_path(Path(path.name))
        if path.is_dir():
            tell(f"Skipped: {name} is a folder; import it by itself.")
        elif path.name.startswith(".") or any(fnmatch(path.name.lower(), p) for p in _LITTER):
            tell(f"Skipped: {name} is no product.")
        else:
            files.append(path)
    return files


def pack(
    source: Source, shelf_size: int, store: ProductStore, random: Callable[[int], bytes]
) -> Packed:
    """Copy `source` into the store, padded to `shelf_size` bytes, which must be large enough.

    Raises SourceChanged when the file is not what it was, BadSourceFile, DiskFull, CannotWrite.
    """
    prefix = pack_product(random(RANDOM_BYTES), source.file_name, source.size)
    with _opened(source.path) as descriptor:
        before = os.fstat(descriptor)
        if before.st_size != source.size:
            raise SourceChanged(str(source.path))
        digest = hashlib.sha256()
        pieces = _pieces(descriptor, prefix, source, shelf_size, digest.update)
        root = store.put(pieces, shelf_size)
        after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise SourceChanged(str(source.path))
    return Packed(
        file_name=source.file_name,
        title=source.title,
        description=source.description,
        size=source.size,
        root=root,
        pieces=store.piece_list(root),
        source=digest.digest(),
    )


@contextmanager
def gone_if_refused(store: ProductStore) -> Iterator[list[bytes]]:
    """The roots that the block appends are removed from the store when it ends in an error."""
    roots: list[bytes] = []
    try:
        yield roots
    except BaseException:
        for root in roots:
            store.remove(root)
        raise


@contextmanager
def named(roots: list[bytes], count: int | None = None) -> Iterator[None]:
    """The block's transaction names the first `count` roots, or all: they are taken off the list.

    They are on it again after a refusal. However else the block ends, what nothing names is
    collected later.
    """
    names = roots[:count]
    del roots[:count]

    def put_back() -> None:
        roots[:0] = names

    with undone_if_refused(put_back):
        yield


def _pieces(
    descriptor: int,
    prefix: bytes,
    source: Source,
    shelf_size: int,
    seen: Callable[[bytes], None],
) -> Iterator[bytes]:
    """`shelf_size` bytes in pieces of 1 MiB, the last one shorter."""
    piece = bytearray(prefix)
    left = source.size
    for start in range(0, shelf_size, PIECE_BYTES):
        length = min(PIECE_BYTES, shelf_size - start)
        while left and len(piece) < length:
            block = _read(descriptor, min(left, length - len(piece)), source.path)
            if not block:
                raise SourceChanged(str(source.path))
            seen(block)
            piece += block
            left -= len(block)
        yield bytes(piece.ljust(length, b"\0"))
        piece.clear()
    if left or _read(descriptor, 1, source.path):
        raise SourceChanged(str(source.path))


def content_digest(source: Source) -> bytes:
    """SHA-256 of the file as it is now. Raises BadSourceFile."""
    digest = hashlib.sha256()
    with _opened(source.path) as descriptor:
        while block := _read(descriptor, PIECE_BYTES, source.path):
            digest.update(block)
    return digest.digest()


def _read(descriptor: int, length: int, path: Path) -> bytes:
    try:
        return os.read(descriptor, length)
    except OSError as fault:
        raise BadSourceFile(f"{shown_path(path)}: {fault.strerror}.") from fault


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A regular file, opened once so that what is checked is what is read.

    It is opened without blocking: a pipe must not make us wait for a writer.
    """
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or "not a file name"
        if getattr(fault, "errno", 0) == errno.ELOOP and path.is_symlink():
            reason = "it is a link; give the file that it points to"
        raise BadSourceFile(f"{shown_path(path)}: {reason}.") from fault
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadSourceFile(f"{shown_path(path)} is not a regular file.")
        yield descriptor
    finally:
        os.close(descriptor)
