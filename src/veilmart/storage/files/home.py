"""A role's home folder: keys, configuration and the database, for its owner's eyes only."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import platformdirs

from veilmart.errors import BadArgument, CannotWrite, Misuse, NotInitialised
from veilmart.storage.files.disk_errors import file_error, typed_file_errors
from veilmart.storage.files.names import encodable, shown_path
from veilmart.storage.files.process_lock import process_lock

_SECRET_MODE = 0o600


def default_home(role: str) -> Path:
    """`$VEILMART_HOME/<role>` when that is set, else the platform's place for application data."""
    chosen = os.environ.get("VEILMART_HOME")
    root = expanded(chosen) if chosen else platformdirs.user_data_path("veilmart")
    return root / role


def expanded(text: str) -> Path:
    """A path whose ~ or ~USER is that person's folder. Raises BadArgument."""
    try:
        return Path(text).expanduser()
    except RuntimeError as fault:
        raise BadArgument(f"{text[:80]!r}: there is no such user here.") from fault


class Home:
    """A folder of mode 0700 with small files that are replaced whole, never edited.

    A file is either the old one or the new one after a crash at any point, never something
    between.
    """

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        """Create the folder, or tighten its mode. `create=False`: `NotInitialised` if missing.

        Raises BadArgument for a name that is not UTF-8.
        """
        self.path = Path(path).absolute()
        if not encodable(str(self.path)):
            # SQLite takes names of files in UTF-8 only.
            raise BadArgument(f"The home folder {shown_path(self.path)} has a name in no UTF-8.")
        with typed_file_errors(f"The home folder {self.path}"):
            if create:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            elif not self.path.is_dir():
                raise NotInitialised(str(self.path))
            if self.path.stat().st_mode & 0o077:
                self.path.chmod(0o700)

    def file(self, name: str) -> Path:
        """Where the file `name` is or would be, for example the database."""
        if not name or name.startswith(".") or "/" in name or "\0" in name:
            raise Misuse("A file in the home folder has a plain name.")
        return self.path / name

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return self.file(name).is_file()

    def read(self, name: str) -> bytes:
        """The bytes of a secret file; a mode wider than 0600 is repaired first.

        Raises `NotInitialised` when it is missing, `CannotWrite` when it cannot be read.
        """
        return self._read(name)

    def write_secret(self, name: str, content: bytes) -> None:
        """Replace the file durably with mode 0600. Raises `DiskFull` or `CannotWrite`."""
        self._replace(name, content, _SECRET_MODE)

    def remove(self, name: str) -> None:
        """Remove a file that `write_secret` made, if it is there. Raises `CannotWrite`."""
        with typed_file_errors(name):
            self.file(name).unlink(missing_ok=True)

    def lock(self, name: str, *, wait: bool = True) -> AbstractContextManager[None]:
        """An exclusive lock between processes. `wait=False`: `HomeInUse` while another has it."""
        return process_lock(self.file(f"{name}.lock"), wait=wait)

    def _read(self, name: str) -> bytes:
        file = self.file(name)
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                if os.fstat(descriptor).st_mode & 0o077:
                    os.fchmod(descriptor, _SECRET_MODE)
                return stream.read()
        except FileNotFoundError as fault:
            raise NotInitialised(f"{name} is missing in {self.path}.") from fault
        except OSError as fault:
            raise CannotWrite(f"{name} cannot be read: {fault.strerror}.") from fault

    def _replace(self, name: str, content: bytes, mode: int) -> None:
        file = self.file(name)
        fresh = self.path / f".{name}.{secrets.token_hex(4)}"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as stream:
                os.fchmod(descriptor, mode)
                stream.write(content)
                stream.flush()
                os.fsync(descriptor)
            fresh.replace(file)
            sync_folder(self.path)
        except OSError as fault:
            fresh.unlink(missing_ok=True)
            raise file_error(fault, name) from fault


@contextmanager
def home_to_be(path: Path | str, keep: Callable[[Home], bool]) -> Iterator[Home]:
    """A home that may be new: the folders that this made are removed again if the block fails.

    keep: whether the home holds something by now that must stay all the same.
    """
    whole = Path(path).absolute()
    missing = [folder for folder in (whole, *whole.parents) if not folder.exists()]
    home = Home(path)
    try:
        yield home
    except BaseException:
        if missing and not keep(home):
            shutil.rmtree(whole, ignore_errors=True)
            for folder in missing[1:]:
                with suppress(OSError):
                    folder.rmdir()
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
