"""How a run fails."""

from veilmart import errors
from veilmart.errors import VeilmartError


class Violated(AssertionError):
    """Something that must never be is."""


def is_ours(named: str) -> bool:
    """Whether a program's trouble is one of our own errors, by number or by name, and not a bug."""
    kind = getattr(errors, named, None)
    return named.startswith("error ") or (
        isinstance(kind, type) and issubclass(kind, VeilmartError)
    )
