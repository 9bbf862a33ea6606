"""A process of the simulated machine: its tasks, and its sudden end.

Killing one drops everything it had in memory. Its tasks are cancelled, which a real kill would not
do, so from then on its ports (database, network) refuse whatever its `finally` blocks still try.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

_CURRENT: ContextVar["Process | None"] = ContextVar("process", default=None)


def here(context: Context | None) -> "Process | None":
    """The process that runs now, or whose context that is."""
    return _CURRENT.get() if context is None else context.get(_CURRENT)


class Killed(asyncio.CancelledError):
    """The process that asks is dead. No program catches it."""


class Process:
    """One incarnation of a party. name: as the story calls it."""

    def __init__(
        self, name: str, dies_at: Callable[[str], bool], ended: Callable[[], None]
    ) -> None:
        """`dies_at(place)`: whether to die at this place. `ended`: called once when it dies."""
        self.name = name
        self.alive = True
        self.down = asyncio.Event()
        self.at_end: list[Callable[[], None]] = []
        self._dies_at = dies_at
        self._ended = ended
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in the order they were made

    def start(self, work: Any) -> "asyncio.Task[Any]":
        """Run a coroutine as part of this process."""
        return asyncio.get_running_loop().create_task(work, context=self.context())

    def context(self) -> Context:
        """What runs in it is part of this process."""
        context = Context()
        context.run(_CURRENT.set, self)
        return context

    def adopt(self, task: "asyncio.Task[Any]") -> None:
        """Called by the loop for every task that is made in this process."""
        if not self.alive:
            task.cancel()
            return
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)

    def may_die(self, place: str) -> None:
        """A named place at which the process may be killed."""
        if self.alive and self._dies_at(place):
            self.kill()

    def die_or_go_on(self, place: str) -> None:
        """`may_die`, in code of the process itself. Raises Killed."""
        self.may_die(place)
        self.check()

    def check(self) -> None:
        """Raises Killed in a process that is dead."""
        if not self.alive:
            raise Killed

    def kill(self) -> None:
        """End it now. Ending it twice is fine."""
        if not self.alive:
            return
        self.alive = False
        for task in list(self._tasks):
            task.cancel()
        self.down.set()
        for call in self.at_end:
            call()
        self._ended()
