"""What is costly to make and the same for many tests: made once in a run, for all its workers.

The folder of a run is made by the first process and removed with it.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

SHARED = "VEILMART_TEST_RUN"  # names the folder, for this process and its children


def shared_folder() -> Path:
    """Of this run."""
    if SHARED not in os.environ:
        folder = tempfile.mkdtemp(prefix="veilmart-run-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[SHARED] = folder
    return Path(os.environ[SHARED])


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` filled; not to be written to. The first caller makes it."""
    made, unfinished = shared_folder() / name, shared_folder() / f"{name}.unfinished"
    with (shared_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(made)
    return made
