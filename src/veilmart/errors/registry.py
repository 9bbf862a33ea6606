"""Every error by its code, and what a peer may name."""

from collections.abc import Iterator
from functools import cache

from veilmart.characters import without_refused
from veilmart.errors.families import (
    DETAIL_MAX_CHARACTERS,
    NetworkFailure,
    PeerFault,
    Refusal,
    VeilmartError,
)
from veilmart.errors.peer import UnexpectedAnswer


def walk(family: type[VeilmartError] = VeilmartError) -> Iterator[type[VeilmartError]]:
    """Every error class below `family`, depth first."""
    for child in family.__subclasses__():
        yield child
        yield from walk(child)


@cache
def by_code() -> dict[int, type[VeilmartError]]:
    """Code → class, for every class that has a code of its own."""
    return {kind.code: kind for kind in walk() if kind.code}


def from_wire(code: int, detail: str) -> VeilmartError:
    """The error a peer named. Refusals, network failures and faults of ours may cross the wire."""
    kind = by_code().get(code)
    if kind is None or not issubclass(kind, Refusal | NetworkFailure | PeerFault):
        return UnexpectedAnswer(f"It named the unknown error {code}.")
    # A stranger wrote the detail: no control characters for a terminal, and no flood of text.
    return kind(without_refused(detail[:DETAIL_MAX_CHARACTERS]))
