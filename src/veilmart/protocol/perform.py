"""Drives a rule: performs each effect it yields and gives it the answer.

Exceptions of a performer are raised inside the rule, at its `yield`; those of the rule propagate.
However it ends, the rule is closed, so its `finally` blocks have run.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from veilmart.errors import Misuse
from veilmart.protocol.effects import Effect, Rule

T = TypeVar("T")
# Any: a mapping's type cannot say that each performer takes and answers the effect of its own key.
Performers = Mapping[type[Effect[Any]], Callable[[Any], Awaitable[Any]]]
PerformersNow = Mapping[type[Effect[Any]], Callable[[Any], Any]]


async def perform(rule: Rule[T], performers: Performers) -> T:
    """Run `rule` to its end under an event loop. Raises `Misuse` in it for an unknown effect."""
    try:
        effect = next(rule)
        while True:
            try:
                answer = await _performer(performers, effect)(effect)
            except Exception as fault:
                effect = rule.throw(fault)
            else:
                effect = rule.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        rule.close()


def perform_now(rule: Rule[T], performers: PerformersNow) -> T:
    """The synchronous twin of `perform`, for simulators and commands."""
    try:
        effect = next(rule)
        while True:
            try:
                answer = _performer(performers, effect)(effect)
            except Exception as fault:
                effect = rule.throw(fault)
            else:
                effect = rule.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        rule.close()


# Any: the same holds for what is looked up in one.
def _performer(performers: PerformersNow, effect: Effect[object]) -> Callable[[Any], Any]:
    found = performers.get(type(effect))
    if found is None:
        raise Misuse(f"Nobody performs {type(effect).__name__}.")
    return found
