"""What happened in a run, kept cheaply and written out only for a run that failed."""

import hashlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

_SHORT_MAX = 60


class Story:
    """Lines of (virtual time, who, what). Long byte strings get a number as they first appear."""

    def __init__(self) -> None:
        self.time: Callable[[], float] = lambda: 0.0
        self._lines: list[tuple[float, str, Any]] = []
        self._numbers: dict[bytes, int] = {}

    def tell(self, who: str, what: Any) -> None:
        """`what`: a sentence, an event of a program, or an exception."""
        self._lines.append((self.time(), who, what))

    def observer(self, who: str) -> Callable[[Any], None]:
        """Tells a program's events as its own."""
        return lambda event: self.tell(who, event)

    def text(self) -> str:
        """The whole story, one line for each thing that happened."""
        return "\n".join(
            f"{_clock(at)}  {who:<10} {self._sentence(what)}" for at, who, what in self._lines
        )

    def digest(self) -> str:
        """Two runs with the same digest were the same."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def number_of(self, name: bytes) -> int:
        """A small number that stands for an order or anything else with a random name."""
        return self._numbers.setdefault(name, len(self._numbers) + 1)

    def _sentence(self, what: Any) -> str:
        if isinstance(what, str):
            return what
        if isinstance(what, BaseException):
            return f"hears {type(what).__name__}: {getattr(what, 'detail', '') or what}"
        values = [
            f"{field.name}={self._value(getattr(what, field.name))}"
            for field in fields(what)
            if is_dataclass(what) and field.name != "session_fingerprint"
        ]
        return f"{type(what).__name__} {' '.join(values)}".rstrip()

    def _value(self, value: Any) -> str:
        if isinstance(value, bytes):
            return f"#{self.number_of(value)}"
        if isinstance(value, Path):
            return value.name
        return str(value)[-_SHORT_MAX:]


def _clock(at: float) -> str:
    hours, rest = divmod(at, 3600)
    return f"{int(hours):4}:{int(rest // 60):02}:{rest % 60:06.3f}"
