"""Errors of the operating system and SQLite about the disk, as veilmart's own errors."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from veilmart.errors import CannotWrite, DatabaseFailure, DiskFull, StorageFailure

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

# https://www.sqlite.org/rescode.html
SQLITE_BUSY = 5
SQLITE_INTERRUPT = 9
_SQLITE_FULL = 13
_SQLITE_IOERR_SHMSIZE = 4874  # growing the -shm file failed, which only a full disk causes


def file_error(fault: OSError, what: str) -> StorageFailure:
    """`DiskFull` for ENOSPC and EDQUOT, else `CannotWrite`. `what` names the thing, no secret."""
    if fault.errno in NO_ROOM:
        return DiskFull(what)
    return CannotWrite(f"{what}: {fault.strerror or type(fault).__name__}.")


@contextmanager
def typed_file_errors(what: str) -> Iterator[None]:
    """Turns every OSError of its block into `DiskFull` or `CannotWrite`."""
    try:
        yield
    except OSError as fault:
        raise file_error(fault, what) from fault


def primary_code(fault: BaseException) -> int:
    """SQLite's primary result code (low 8 bits), 0 when the error carries none."""
    return full_code(fault) & 0xFF


def full_code(fault: BaseException) -> int:
    """SQLite's extended result code, 0 when the error carries none."""
    origin = fault.orig if isinstance(fault, DBAPIError) else fault
    return int(getattr(origin, "sqlite_errorcode", None) or 0)


def database_error(fault: Exception) -> StorageFailure:
    """`DiskFull` when SQLite ran out of room, else `DatabaseFailure`.

    The detail is SQLite's own sentence, which names tables and columns but never values.
    """
    if primary_code(fault) == _SQLITE_FULL or full_code(fault) == _SQLITE_IOERR_SHMSIZE:
        return DiskFull("The database could not grow.")
    if isinstance(fault, DBAPIError):
        return DatabaseFailure(f"{type(fault).__name__}: {fault.orig}.")
    if isinstance(fault, SQLAlchemyError):
        return DatabaseFailure(f"{type(fault).__name__}.")
    return DatabaseFailure(f"{type(fault).__name__}: {fault}.")
