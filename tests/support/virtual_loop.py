"""An event loop whose time is virtual: waiting costs nothing, and every run is the same.

No sockets, no threads: what a program hands to a thread is done at once, on the spot. Callbacks
that are ready run in the order they became ready; time jumps to the next timer when nothing is.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from tests.support.simulated_process import Process, here

T = TypeVar("T")


class Stuck(AssertionError):
    """Everybody waits for somebody, and no timer runs."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """The part of an event loop that the market's programs use. steps: callbacks run so far."""

    def __init__(self) -> None:
        self.steps = 0
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._fault: BaseException | None = None

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end. Raises what it raises, and what any callback raised."""
        task: asyncio.Task[T] = self.create_task(main)
        asyncio._set_running_loop(self)
        try:
            while not task.done():
                self._step()
                if self._fault is not None:
                    raise self._fault
        finally:
            asyncio._set_running_loop(None)
        return task.result()

    def fail(self, fault: BaseException) -> None:
        """End the run with this fault."""
        self._fault = self._fault or fault

    def drain(self, steps_max: int = 10_000) -> None:
        """Run what is ready, without letting time pass: cancelled tasks come to their end."""
        asyncio._set_running_loop(self)
        try:
            while self._ready and steps_max:
                self._step()
                steps_max -= 1
        finally:
            asyncio._set_running_loop(None)

    def _step(self) -> None:
        ready = self._ready
        while not ready:
            if not self._timers:
                raise Stuck
            when, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled():
                self._now = max(self._now, when)
                ready.append(timer)
        handle = ready.popleft()
        if not handle.cancelled():
            self.steps += 1
            handle._run()

    # ---- what asyncio and the programs ask of a loop --------------------------------------------

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        """The task belongs to the process in whose context it is made, and dies with it."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **options)
        process = here(options.get("context"))
        if process is not None:
            process.adopt(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Done at once; the process may die between the work and hearing of it."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as fault:
            future.set_exception(fault)
        process: Process | None = here(None)
        if process is not None:
            process.may_die("after work in a thread")
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if isinstance(fault, BaseException) and not isinstance(fault, asyncio.CancelledError):
            self.fail(fault)
