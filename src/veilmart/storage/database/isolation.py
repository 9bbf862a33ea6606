"""The isolation level of a transaction, declared beside the transaction itself.

SQLite carries out one transaction at a time, so the marks mean nothing there. On PostgreSQL a
transaction without a mark is SERIALIZABLE: right whatever it does, at the price of being run again
when it might have met another one.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class Isolation(Enum):
    """PostgreSQL's name of the level."""

    SERIALIZABLE = "SERIALIZABLE"
    SNAPSHOT = "REPEATABLE READ"
    STATEMENT = "READ COMMITTED"


_LEVEL: Final = "veilmart_isolation"
_REPEATABLE: Final = "veilmart_repeatable"


def snapshot(function: Function) -> Function:
    """Marks a transaction that writes (or inserts under a unique key) every row it decides by.

    Two of them that meet then meet in a row, and the later one is run again on what it finds.
    """
    setattr(function, _LEVEL, Isolation.SNAPSHOT)
    return function


def statement(function: Function) -> Function:
    """Marks a transaction whose every statement is right by itself on the newest rows."""
    setattr(function, _LEVEL, Isolation.STATEMENT)
    return function


def repeatable(function: Function) -> Function:
    """Marks a transaction that, done twice, leaves and answers the same as done once.

    Operation ids and primary keys make it so. When a connection breaks during COMMIT it is simply
    run again; of any other transaction the database is asked first whether it was committed.
    """
    setattr(function, _REPEATABLE, True)
    return function


def level_of(function: Callable[..., Any]) -> Isolation:
    level: Isolation = getattr(function, _LEVEL, Isolation.SERIALIZABLE)
    return level


def is_repeatable(function: Callable[..., Any]) -> bool:
    return bool(getattr(function, _REPEATABLE, False))
