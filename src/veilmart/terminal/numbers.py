"""Numbers on the command line: exactly what was written, or refused.

The command line's own conversion takes 2.9 for 3, 0x10 for 16 and 1_0 for 10. Every option that
is a number therefore has one of these parsers; a test asks for it.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from veilmart.limits import (
    CODES_AT_ONCE_MAX,
    FEE_MAX_BASIS_POINTS,
    INTEGER_MAX,
    PRODUCTS_MAX,
    WORKERS_MAX,
)

PORT_MAX = 65535
_WHOLE = re.compile(r"[0-9]{1,16}")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))? ?%")

Converter = Callable[[Any, Sequence[Token]], int]


def read_whole(text: str, least: int, most: int) -> int:
    """A whole number in ASCII digits, from `least` to `most`. Raises ValueError."""
    if _WHOLE.fullmatch(text) and least <= int(text) <= most:
        return int(text)
    bounds = f"from {least}" if most >= INTEGER_MAX else f"from {least} to {most}"
    raise ValueError(f"{text[:40]!r} is no whole number {bounds}.")


def read_share(text: str) -> int:
    """Basis points: "250", or "2.5%" for the same. Raises ValueError."""
    percent = _PERCENT.fullmatch(text)
    if percent is None:
        try:
            return read_whole(text, 0, FEE_MAX_BASIS_POINTS)
        except ValueError as fault:
            raise ValueError(f"{fault} Write basis points, or a percentage: 2.5%.") from fault
    whole, fraction = percent.groups(default="")
    points = int(whole) * 100 + int(fraction.ljust(2, "0"))
    if points > FEE_MAX_BASIS_POINTS:
        raise ValueError(f"{text!r} is more than {FEE_MAX_BASIS_POINTS / 100:.0f}%.")
    return points


def whole(least: int = 0, most: int = INTEGER_MAX) -> Converter:
    """The parser of an option that is a whole number."""

    def convert(_kind: Any, tokens: Sequence[Token]) -> int:
        return read_whole(tokens[0].value, least, most)

    return convert


def one_of(*allowed: int) -> Converter:
    """The parser of an option that is one of a few numbers."""

    def convert(_kind: Any, tokens: Sequence[Token]) -> int:
        text = tokens[0].value
        if _WHOLE.fullmatch(text) and int(text) in allowed:
            return int(text)
        raise ValueError(f"{text[:40]!r} is not {' or '.join(map(str, allowed))}.")

    return convert


def _share(_kind: Any, tokens: Sequence[Token]) -> int:
    return read_share(tokens[0].value)


Port = Annotated[
    int, Parameter(converter=whole(0, PORT_MAX), help="Port; 0 lets the system choose.")
]
ReachedPort = Annotated[
    int, Parameter(converter=whole(1, PORT_MAX), help="Port at which customers reach it.")
]
Workers = Annotated[
    int,
    Parameter(converter=whole(1, WORKERS_MAX), help="Processes; more than one need PostgreSQL."),
]
Listener = Annotated[int | None, Parameter(converter=whole(), show=False)]
CodeCount = Annotated[int, Parameter(converter=whole(1, CODES_AT_ONCE_MAX), help="How many.")]
ProductCount = Annotated[
    int,
    Parameter(
        name="--k",
        converter=whole(1, PRODUCTS_MAX),
        help="Products that each shelf shall hold at least.",
    ),
]
Share = Annotated[
    int | None,
    Parameter(
        converter=_share,
        help="Basis points (hundredths of a percent), or a percentage such as 2.5%; without it, "
        "show the fee.",
    ),
]
