"""A pool of worker processes for long runs that an interrupt ends at once, with nothing left over.

A plain pool goes on after Ctrl-C: its workers report the interrupt as the result of one piece of
work and take the next one, and the caller waits for them.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.support.programs import DIE_WITH_PARENT

INTERRUPTED = 130
"""Exit code of a program that SIGINT ended."""


class WorkerPool:
    """Pieces of work for a fixed number of processes, in the order in which they were given."""

    def __init__(self, executor: ProcessPoolExecutor) -> None:
        self._executor = executor

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        # A worker that this starts inherits the mask, so that it hears nothing before `_begin`.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._executor.submit(_until_ended, work, args)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def map(self, work: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
        """The results of `work` in the order of its arguments."""
        futures = [self.submit(work, *args) for args in zip(*arguments, strict=True)]
        return (future.result() for future in futures)


@contextmanager
def worker_pool(
    count: int, prepare: Callable[..., Any] | None = None, *args: Any
) -> Iterator[WorkerPool]:
    """`count` fresh processes that call `prepare(*args)` first.

    When the block is left by an exception, also by an interrupt, the workers end: what they are
    doing gets a KeyboardInterrupt and cleans up, and nothing else is begun.
    """
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(count, context, _begin, (prepare, args))
    try:
        yield WorkerPool(executor)
    except BaseException:
        for process in list(executor._processes.values()):
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def until_interrupted(main: Callable[[], int]) -> int:
    """The exit code of `main`; an interrupt is an end, not a fault to trace."""
    try:
        return main()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


def _begin(prepare: Callable[..., Any] | None, args: tuple[Any, ...]) -> None:
    # Only the caller decides when a worker ends: a terminal sends its SIGINT to all of them.
    # (SIG_IGN would be handed down to the programs that the worker starts.)
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
    if prepare is not None:
        prepare(*args)


def _until_ended(work: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """`work(*args)`; SIGTERM interrupts it, and then the process ends without taking more."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return work(*args)
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
