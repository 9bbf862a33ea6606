"""Effects: what a rule may ask of its driver (ADR 1).

A rule is a generator: it asks with `answer = yield from effect`, is sent the answer and returns its
own result. Its driver performs the effects, so the same rule runs under an event loop and in a
simulator. A role defines effects of its own as further subclasses of `Effect`.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
Answer_co = TypeVar("Answer_co", covariant=True)
P = ParamSpec("P")


class Effect(Generic[Answer_co]):
    """Something that a rule cannot do itself. Performers are looked up by its exact class.

    Ask with `yield from`, never with a bare `yield`: the answer then has the type that the
    effect's class names.
    """

    __slots__ = ()

    def __iter__(self) -> "Generator[Effect[object], object, Answer_co]":
        # A driver sends whatever a performer returned. Its type is asserted here and nowhere else.
        return cast(Answer_co, (yield self))


Rule: TypeAlias = Generator[Effect[object], object, T]


@dataclass(frozen=True, slots=True)
class Transact(Effect[T]):
    """Run `function(connection, *args)` as one database transaction. Made by `transact`."""

    function: Callable[..., T]
    args: tuple[object, ...] = field(default=(), repr=False)


def transact(
    function: "Callable[Concatenate[Connection, P], T]", *args: P.args, **kwargs: P.kwargs
) -> Transact[T]:
    """The effect that runs `function(connection, *args, **kwargs)` as one database transaction.

    Its answer is what the function returns; what the function raises is raised in the rule.
    """
    return Transact(partial(function, **kwargs) if kwargs else function, args)
