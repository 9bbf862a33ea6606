"""What a good is, and how the families read the facts they are made from."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TypedDict, cast


@dataclass(frozen=True, slots=True)
class Good:
    """One file for sale: its name in the folder, and what the catalogue says about it."""

    file_name: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """A good and the pure function that makes its bytes, the same on every run."""

    good: Good
    make: Callable[[], bytes]


class Element(TypedDict):
    """`mass` is the abridged standard atomic weight, or a mass number in square brackets."""

    symbol: str
    name: str
    mass: str


class Constant(TypedDict):
    """`value` carries the standard uncertainty of its last digits in round brackets."""

    quantity: str
    symbol: str
    value: str
    unit: str


class Star(TypedDict):
    """Right ascension `hh mm ss.s`, declination `±dd mm ss`, both ICRS at J2000.0."""

    name: str
    designation: str
    right_ascension: str
    declination: str
    magnitude: float
    parallax_mas: float
    spectral_type: str


class City(TypedDict):
    """Latitude and longitude in degrees, north and east positive; ISO 3166-1 country code."""

    name: str
    country: str
    latitude: float
    longitude: float


class Letter(TypedDict):
    """A to Z with its spelling word, Morse code and the numbers of its Braille dots."""

    letter: str
    spelling: str
    morse: str
    braille_dots: str


def _rows(name: str) -> object:
    text = (files(__package__) / "data" / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)["rows"]


def elements() -> list[Element]:
    """The 118 elements in order of atomic number."""
    return cast("list[Element]", _rows("elements"))


def constants() -> list[Constant]:
    """Measured constants, CODATA 2022."""
    return cast("list[Constant]", _rows("constants"))


def stars() -> list[Star]:
    """Bright stars, brightest first."""
    return cast("list[Star]", _rows("stars"))


def cities() -> list[City]:
    """Large cities of all continents, in alphabetical order."""
    return cast("list[City]", _rows("cities"))


def letters() -> list[Letter]:
    """The 26 letters in order."""
    return cast("list[Letter]", _rows("letters"))


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """RFC 4180 with line feeds, UTF-8."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def as_text(lines: Iterable[str]) -> bytes:
    """Lines without trailing blanks, UTF-8, ending in one line feed."""
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode()
