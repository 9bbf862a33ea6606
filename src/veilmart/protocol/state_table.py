"""A state machine is a table of (state, event); `step` is the only way to take a step.

The machines of a purchase: wallet_states.py, invoice_states.py and order_states.py
(docs/protocol/09-purchase.md, 9.3). Every pair that is not in a table is refused.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from veilmart.errors import WrongOrderState

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)
Target = TypeVar("Target")


def step(table: Mapping[tuple[State, Event], Target], state: State, event: Event) -> Target:
    """Where `event` leads from `state`. Raises WrongOrderState for a pair not in the table."""
    target = table.get((state, event))
    if target is None:
        raise WrongOrderState(f"It is {state}; {event} is not possible.")
    return target
