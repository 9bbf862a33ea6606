"""What several suites share: a PostgreSQL server, started once and only if a test wants it."""

import gc
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import (
    compiled_once,
    in_turn,
    light_passwords,
    migrated_once,
    needs,
    order,
    prepared_keys,
)
from tests.support.light_passwords import real_passwords
from tests.support.made_once import shared_folder
from tests.support.postgres import PostgresServer

__all__ = ["real_passwords"]

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 * 1024**3


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is imported or written: what makes hundreds of programs start quickly."""
    _hear_signals()
    _keep_bytecode()
    _write_into_memory()
    shared_folder()  # before workers are started
    for cheaper in (prepared_keys, compiled_once, migrated_once, light_passwords):
        cheaper.install()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before `-m` chooses."""
    for item in items:
        needs.mark(item)
    in_turn.choose(items)
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(0))
    order.longest_first(items)


def pytest_collection_finish() -> None:
    """What is there by now stays to the end; the collector need not walk it again and again."""
    gc.collect()
    gc.freeze()


def _hear_signals() -> None:
    """A run in the background may have been told to ignore them, and programs inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _keep_bytecode() -> None:
    """Compile each module once, also where the environment says not to write bytecode."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _write_into_memory() -> None:
    """Put the tests' files into memory where there is room, unless TMPDIR names another place.

    Each transaction waits for its fsync. On a disk that others use too, the suite would spend
    most of its time there; and no test cuts the power.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # it is read again


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's folder for sockets
        server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """Which database a test runs on; modules that want both parametrise it indirectly."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest) -> str | None:
    """An empty PostgreSQL database, or None for SQLite in the test's own folder."""
    return request.getfixturevalue("postgres") if engine == "postgresql" else None
