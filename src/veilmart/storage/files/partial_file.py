"""Delivery into a folder of the person's choice: whole under its name, or not at all."""

import errno
import fcntl
import filecmp
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from veilmart.errors import CannotWrite, Misuse
from veilmart.storage.files.disk_errors import NO_ROOM, file_error, typed_file_errors
from veilmart.storage.files.home import sync_folder
from veilmart.storage.files.names import check_file_name, safe_name, visible

__all__ = ["PartialFile", "check_file_name", "visible"]

PART_SUFFIX = ".veilmart.part"  # nobody else's file, so a stale one may be written over
_COPIES_MAX = 1000
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class PartialFile:
    """A file that gets its name only when it is finished and on the disk.

    with PartialFile(folder, "atlas.pdf") as partial:
        partial.write(block)
        path = partial.finish()

    Leaving the block without `finish` removes what was written. Two at once for the same name do
    not disturb each other; leftovers of a killed process are overwritten.
    """

    def __init__(self, folder: Path | str, name: str, *, mode: int = 0o600) -> None:
        """Opens the partial file. Raises `BadName`, `CannotWrite` or `DiskFull`.

        mode: of the finished file, less the umask. Where the file system or the locale refuses
        the name, the file gets a `safe_name`.
        """
        self._name = check_file_name(name)
        self._mode = mode
        self._folder = Path(folder)
        self._done = False
        with typed_file_errors(f"The folder {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                self._path, descriptor = self._claim()
            except (OSError, UnicodeEncodeError) as fault:
                # Drivers of exFAT, NTFS and network shares refuse a name in many ways, also as
                # "no such file"; so each refusal but a full disk is taken for one of the name.
                if isinstance(fault, OSError) and fault.errno in NO_ROOM:
                    raise
                if safe_name(name) == name:
                    raise
                self._name = safe_name(name)
                self._path, descriptor = self._claim()
            self._stream = os.fdopen(descriptor, "wb")

    def __enter__(self) -> "PartialFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    def write(self, block: bytes | memoryview) -> None:
        """Append. Raises `DiskFull` or `CannotWrite`."""
        self._check_open()
        with typed_file_errors(self._name):
            self._stream.write(block)

    def finish(self, *, reuse: bool = False) -> Path:
        """Sync, and give the file its name, or "name (2).ext" and so on when that is taken.

        Nothing that was there is replaced. reuse: where a name is taken by a file of the same
        content, that one is the result. Raises `DiskFull` or `CannotWrite`.
        """
        self._check_open()
        with typed_file_errors(self._name):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            target = self._settle(reuse)
            sync_folder(self._folder)
        self._done = True
        self._stream.close()
        return target

    def discard(self) -> None:
        """Remove what was written; nothing happens after `finish`."""
        if self._done:
            return
        self._done = True
        try:
            self._path.unlink(missing_ok=True)
            self._stream.close()
        except OSError as fault:
            raise file_error(fault, self._name) from fault

    def _check_open(self) -> None:
        if self._done:
            raise Misuse("The file is finished already.")

    def _claim(self) -> tuple[Path, int]:
        """The first partial name that no running process holds, locked and emptied."""
        for name in numbered(self._name):
            path = self._folder / (name + PART_SUFFIX)
            descriptor = _claim_part(path, self._mode)
            if descriptor is not None:
                os.ftruncate(descriptor, 0)
                return path, descriptor
        raise CannotWrite(f"Too many files are called {self._name}.")

    def _settle(self, reuse: bool) -> Path:
        for name in numbered(self._name):
            target = self._folder / name
            try:
                os.link(self._path, target, follow_symlinks=False)
            except FileExistsError:
                if not reuse or not _same_content(target, self._path):
                    continue
                self._path.unlink()
            except OSError as fault:
                if fault.errno not in _NO_HARD_LINKS:
                    raise
                if reuse and _same_content(target, self._path):
                    self._path.unlink()
                elif _reserve(target, self._mode):
                    self._path.replace(target)
                else:
                    continue
            else:
                self._path.unlink()
            return target
        raise CannotWrite(f"Too many files are called {self._name}.")


def _same_content(one: Path, other: Path) -> bool:
    try:
        return one.is_file() and not one.is_symlink() and filecmp.cmp(one, other, shallow=False)
    except FileNotFoundError:
        return False


def numbered(name: str) -> Iterator[str]:
    """name.ext, name (2).ext, name (3).ext ..."""
    yield name
    whole = Path(name)
    for number in range(2, _COPIES_MAX):
        yield f"{whole.stem} ({number}){whole.suffix}"


def _claim_part(path: Path, mode: int) -> int | None:
    """`path` opened, locked and ours alone to write over; None when a running process has it."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, mode)
        if not (_lock(descriptor) and _same_file(path, descriptor)):
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink == 1:
            return descriptor
        # Somebody was killed between naming the finished file and unnaming its part: both names
        # are one file, and writing the part over would change the finished one.
        path.unlink()
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(path: Path, descriptor: int) -> bool:
    """False when the one who held the lock before has renamed or removed the file since."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _reserve(target: Path, mode: int) -> bool:
    """Take the name with an empty file, on file systems without hard links."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    except FileExistsError:
        return False
    return True
