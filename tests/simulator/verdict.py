"""How a run fails."""

from veilmart import errors
from veilmart.errors import LedgerViolated, Misuse, VeilmartError, by_code


class Violated(AssertionError):
    """Something that must never be is."""


def is_bug(named: str) -> bool:
    """Whether a program's trouble, by number or by name, is one that must never happen.

    Whatever is no error of ours, and those of ours that say that a rule was broken. What is said
    behind the number does not count.
    """
    code = named.removeprefix("error ").partition(":")[0]
    kind = by_code().get(int(code)) if code.isdigit() else getattr(errors, named, None)
    ours = isinstance(kind, type) and issubclass(kind, VeilmartError)
    return not ours or issubclass(kind, LedgerViolated | Misuse)  # type: ignore[arg-type]
