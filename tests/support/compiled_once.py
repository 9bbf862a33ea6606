"""Statements compiled once in a process, not once for each database that a test opens.

SQLAlchemy keeps compiled statements with the engine. A program has one engine; a process of the
tests opens thousands, and would spend a sixth of its time compiling the same statements.
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Connection, Engine, event

STATEMENTS_MAX = 5000


class OneCache:
    """For the option `compiled_cache` of one connection.

    Keys begin with the engine's dialect, of which only the kind counts here.
    """

    def __init__(self, kept: dict[tuple[Hashable, ...], Any], kind: tuple[str, str]) -> None:
        self._kept, self._kind = kept, kind

    def get(self, key: tuple[Hashable, ...], default: Any = None) -> Any:
        return self._kept.get((self._kind, *key[1:]), default)

    def __setitem__(self, key: tuple[Hashable, ...], compiled: Any) -> None:
        if len(self._kept) >= STATEMENTS_MAX:
            self._kept.clear()
        self._kept[self._kind, *key[1:]] = compiled


def install() -> None:
    """For the connections made in this process from now on."""
    kept: dict[tuple[Hashable, ...], Any] = {}

    def connected(connection: Connection) -> None:
        kind = (connection.dialect.name, connection.dialect.driver)
        connection.execution_options(compiled_cache=OneCache(kept, kind))

    event.listen(Engine, "engine_connect", connected)
