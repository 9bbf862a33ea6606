"""A lock between processes, kept by the kernel: it cannot outlive its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmart.errors import HomeInUse
from veilmart.storage.files.disk_errors import typed_file_errors


@contextmanager
def process_lock(file: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the exclusive lock of `file`, which is made with mode 0600 and stays behind.

    Excludes other threads too. Blocks while another holds it; with `wait=False` raises
    `HomeInUse` instead. Raises `CannotWrite` or `DiskFull` when the file cannot be made.
    """
    with typed_file_errors(f"The lock {file.name}"):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as fault:
            raise HomeInUse from fault
        yield
    finally:
        os.close(descriptor)
