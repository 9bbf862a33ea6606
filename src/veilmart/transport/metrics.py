"""Counters and gauges of one process, in Prometheus' text format (version 0.0.4).

No labels: a name of a customer, merchant or product has no place in a monitoring system.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from veilmart.errors import Misuse

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(slots=True)
class _Counter:
    help: str
    value: int = 0


class Metrics:
    """Counters are added to; gauges are read on every request."""

    def __init__(self, prefix: str) -> None:
        """`prefix`: stands before every name, like veilmart_broker."""
        self._prefix = prefix
        self._counters: dict[str, _Counter] = {}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def counter(self, name: str, help_text: str) -> None:
        """A number that only grows. Raises Misuse for a name that is taken or no name."""
        self._claim(name)
        self._counters[name] = _Counter(help_text)

    def gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """A number that is read anew for every answer. Raises Misuse as `counter`."""
        self._claim(name)
        self._gauges[name] = (help_text, read)

    def add(self, name: str, amount: int = 1) -> None:
        """Raises Misuse for an unknown counter."""
        found = self._counters.get(name)
        if found is None:
            raise Misuse(f"There is no counter {name}.")
        found.value += amount

    def render(self) -> str:
        """All of them, by name."""
        lines: list[str] = []
        for name, counter in sorted(self._counters.items()):
            lines += self._lines(f"{name}_total", counter.help, "counter", counter.value)
        for name, (help_text, read) in sorted(self._gauges.items()):
            lines += self._lines(name, help_text, "gauge", read())
        return "\n".join(lines) + "\n"

    def _lines(self, name: str, help_text: str, kind: str, value: float) -> list[str]:
        full = f"{self._prefix}_{name}"
        return [f"# HELP {full} {help_text}", f"# TYPE {full} {kind}", f"{full} {value}"]

    def _claim(self, name: str) -> None:
        if not _NAME.fullmatch(name) or name in self._counters or name in self._gauges:
            raise Misuse(f"{name} cannot be a metric's name.")
