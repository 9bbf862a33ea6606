"""Statements compiled once in a process, not once for each database that a test opens.

SQLAlchemy keeps compiled statements with the engine. A program has one engine; a process of the
tests opens thousands, and would spend a sixth of its time compiling the same statements.
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

STATEMENTS_MAX = 5000


class OneCache:
    """As the cache of an engine: keys begin with the engine's dialect, of which only the kind

    counts here.
    """

    def __init__(self, kept: LRUCache[Any, Any], dialect: Any) -> None:
        self._kept, self._kind = kept, (dialect.name, dialect.driver)

    def get(self, key: tuple[Hashable, ...], default: Any = None) -> Any:
        return self._kept.get((*self._kind, *key[1:]), default)

    def __setitem__(self, key: tuple[Hashable, ...], compiled: Any) -> None:
        self._kept[(*self._kind, *key[1:])] = compiled

    def clear(self) -> None:
        self._kept.clear()


class Shared:
    """The attribute of an engine that holds its cache."""

    def __init__(self) -> None:
        self._kept: LRUCache[Any, Any] = LRUCache(STATEMENTS_MAX)

    def __set__(self, engine: Engine, own: object) -> None:
        shared = OneCache(self._kept, engine.dialect)
        engine.__dict__["_compiled_cache"] = None if own is None else shared

    def __get__(self, engine: Engine, kind: object = None) -> Any:
        return engine.__dict__["_compiled_cache"]


def install() -> None:
    """For the engines made in this process from now on."""
    Engine._compiled_cache = Shared()  # type: ignore[assignment]
