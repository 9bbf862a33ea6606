"""Transactions so short that handing them to another thread would cost more than they do.

Waking a thread and being woken by it takes 40 to 130 us of processor time, a transaction of a few
look-ups and writes by key 15 to 120 (measured). On SQLite a transaction that is marked `brief`
therefore runs on the event loop's own thread, at the end of the loop's turn, and shares its commit
with the others of that turn. It goes to the writer thread as any other transaction does
- while another batch is being carried out,
- when another process holds the write lock,
- for SLOW_DISK_SECONDS after a batch has held up the loop for longer than HELD_UP_SECONDS.
On PostgreSQL the mark means nothing.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

HELD_UP_SECONDS: Final = 0.02
SLOW_DISK_SECONDS: Final = 1.0
BRIEF_AT_ONCE: Final = 32
"""Of one turn of the loop; more of them wait for the writer thread."""
_MARK: Final = "veilmart_brief"


def brief(function: Function) -> Function:
    """Marks a transaction of a few statements, each of which finds its rows by an index."""
    setattr(function, _MARK, True)
    return function


def is_brief(function: Callable[..., Any]) -> bool:
    return getattr(function, _MARK, False) is True
