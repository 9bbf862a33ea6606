"""Counting work without a clock: statements with their steps, and what files are asked to do."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, event

from veilmart.storage.database import prepared

Done = list[tuple[str, int]]
"""(statement, steps of SQLite's machine), or (call, bytes)"""
SIZED = ("pread", "pwrite", "read", "write")
OTHERS = ("open", "fsync", "fdatasync", "link", "unlink", "replace", "ftruncate", "posix_fallocate")


@contextmanager
def statements(done: Done) -> Iterator[None]:
    """Every statement of every database, with the number of steps that SQLite takes for it."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    def before(_c: Any, cursor: Any, *_rest: Any) -> None:
        cursor.connection.set_progress_handler(step, 1)
        steps[0] = 0

    def after(_c: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        done.append((statement, steps[0]))
        cursor.connection.set_progress_handler(None, 0)

    def execute(raw: Any, sql: str, values: Any) -> Any:
        raw.set_progress_handler(step, 1)
        steps[0] = 0
        cursor = honest(raw, sql, values)
        done.append((sql, steps[0]))
        raw.set_progress_handler(None, 0)
        return cursor

    honest = prepared.execute
    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        with patch.object(prepared, "execute", execute):
            yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)


@contextmanager
def files(done: Done) -> Iterator[None]:
    """What the program asks of files: bytes read and written, syncs, names."""
    lock = threading.Lock()

    def watched(name: str) -> Callable[..., Any]:
        honest = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            answer = honest(*arguments, **more)
            size = 0
            if name in SIZED:
                size = len(answer) if isinstance(answer, bytes) else int(answer)
            with lock:
                done.append((name, size))
            return answer

        return call

    with ExitStack() as stack:
        for name in (*SIZED, *OTHERS):
            stack.enter_context(patch.object(os, name, watched(name)))
        yield
