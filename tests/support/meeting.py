"""Transactions made to meet: each has done its work before any of them commits.

Two that decide by the same rows then either meet in a row (one waits, or is run again) or prove
that nothing kept them apart.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection

from veilmart.storage.database.isolation import Isolation
from veilmart.storage.database.port import Database
from veilmart.storage.database.postgres_database import PostgresDatabase
from veilmart.storage.database.postgres_engine import WROTE

PATIENCE_SECONDS = 0.7  # one that waits for another's row never comes


@contextmanager
def meeting(count: int) -> Iterator[None]:
    """The next `count` transactions on PostgreSQL that write wait for each other before COMMIT."""
    once: Any = PostgresDatabase._once
    barrier = threading.Barrier(count)

    def met(
        self: PostgresDatabase,
        work: Callable[[Connection], Any],
        level: Isolation,
        repeatable: bool,
        deadline: float,
    ) -> Any:
        def waiting(connection: Connection) -> Any:
            result = work(connection)
            if WROTE in connection.info:
                with suppress(threading.BrokenBarrierError):
                    barrier.wait(PATIENCE_SECONDS)
            return result

        return once(self, waiting, level, repeatable, deadline)

    PostgresDatabase._once = met  # type: ignore[method-assign]
    try:
        yield
    finally:
        PostgresDatabase._once = once  # type: ignore[method-assign]


def at_once(database: Database, *calls: tuple[Callable[..., Any], tuple[Any, ...]]) -> list[Any]:
    """What each transaction returned or raised, all run at the same time."""

    def run(call: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
        function, args = call
        try:
            return database.run_now(function, *args)
        except Exception as fault:
            return fault

    with meeting(len(calls)), ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def refused(outcomes: list[Any]) -> int:
    """How many of them were."""
    return sum(isinstance(outcome, Exception) for outcome in outcomes)
