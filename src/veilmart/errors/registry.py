"""Every error by its code, and what a peer may name."""

from collections.abc import Iterator
from functools import cache

from veilmart.characters import without_refused
from veilmart.errors.families import DETAIL_MAX_CHARACTERS, VeilmartError
from veilmart.errors.network import ServerBusy, ServerFault, SessionUnknown, UnsignedAnswer
from veilmart.errors.peer import (
    BadPublicValue,
    HandshakeFailed,
    MalformedMessage,
    MessageTooLarge,
    OpenFailed,
    TooSlow,
    UnexpectedAnswer,
    UnknownSuite,
)
from veilmart.errors.refusals import DescriptorUnknown, NotYourBroker

# docs/protocol/04-sessions.md, 4.6. Believing one costs a new handshake or another try.
_ABOUT_TRANSPORT = frozenset(
    {
        OpenFailed,
        MalformedMessage,
        MessageTooLarge,
        HandshakeFailed,
        BadPublicValue,
        UnknownSuite,
        TooSlow,
        SessionUnknown,
        ServerBusy,
        ServerFault,
        DescriptorUnknown,
        NotYourBroker,
    }
)


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
    """The error that a peer named inside a session, where it `crosses`; else UnexpectedAnswer."""
    kind = by_code().get(code)
    if kind is None or not kind.crosses:
        return UnexpectedAnswer(f"It named the unknown error {code}.")
    # A stranger wrote the detail: no control characters for a terminal, and no flood of text.
    return kind(without_refused(detail[:DETAIL_MAX_CHARACTERS]))


def from_unsigned(code: int) -> VeilmartError:
    """The error named outside a session, where nobody signed it.

    It is an error about transport, or UnsignedAnswer. Anybody on the path could have written it, so
    none of its text is shown.
    """
    kind = by_code().get(code)
    if kind is None or kind not in _ABOUT_TRANSPORT:
        return UnsignedAnswer(f"It named the error {code}.")
    return kind()
