"""The locations of a role's database and products: chosen by a person, kept in the home."""

import os
from pathlib import Path

from veilmart.errors import BadArgument
from veilmart.storage.files.home import Home, expanded

DATABASE_VARIABLE = "VEILMART_DATABASE"
_DATABASE_CHOICE = "database"
_STORE_CHOICE = "store"
_MAX_BYTES = 4096


def database_place(home: Home, chosen: str | None, default_file: str) -> str | Path:
    """A URL, or the SQLite file in the home folder.

    In this order: `--database`, `$VEILMART_DATABASE`, the one stored by `remember_database`,
    SQLite. A choice that is no URL names a file whose first line is one, so that a password is in
    no list of processes. Raises BadArgument.
    """
    named = chosen or os.environ.get(DATABASE_VARIABLE)
    if named:
        return named if "://" in named else _first_line(expanded(named))
    if home.has(_DATABASE_CHOICE):
        return home.read(_DATABASE_CHOICE).decode()
    return home.file(default_file)


def remember_database(home: Home, place: str | Path) -> None:
    """Part of init: later commands find the same database by themselves."""
    if isinstance(place, str):
        home.write_secret(_DATABASE_CHOICE, place.encode())


def store_place(home: Home, default_folder: str) -> str | Path:
    """A URL such as s3://bucket/prefix, or the folder in the home folder."""
    if home.has(_STORE_CHOICE):
        return home.read(_STORE_CHOICE).decode()
    return home.file(default_folder)


def remember_store(home: Home, place: str | None) -> None:
    """Part of init: where the products lie from now on; None for the home folder."""
    if place is not None:
        home.write_secret(_STORE_CHOICE, place.encode())


def _first_line(file: Path) -> str:
    try:
        line = file.read_bytes()[:_MAX_BYTES].decode().strip().splitlines()[0]
    except (OSError, ValueError, IndexError):
        line = ""
    if "://" in line:
        return line
    # It may be a URL without its scheme, and hold a password: not repeated, nor chained.
    named = "That" if "@" in str(file) else str(file)
    raise BadArgument(f"{named} is neither a database URL nor a file that begins with one.")
