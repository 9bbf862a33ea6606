"""What a rule may ask of the world (design section 11).

A rule is a generator: it yields effects, is sent their answers and returns its own. Whoever
drives it performs the effects, so the same rule runs under an event loop and in a simulator.
A role defines effects of its own as further subclasses of `Effect`.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


class Effect:
    """Something that a rule cannot do itself. Performers are looked up by its exact class."""

    __slots__ = ()


Rule: TypeAlias = Generator[Effect, Any, T]


@dataclass(frozen=True, slots=True)
class Transact(Effect):
    """Run `function(connection, *args)` as one database transaction; its result is the answer."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Forward(Effect):
    """Send `message` to the merchant with fingerprint `merchant` (32 bytes); it answers."""

    merchant: bytes
    message: Any
