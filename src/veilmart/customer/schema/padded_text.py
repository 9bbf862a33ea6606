"""Text that takes as much room whatever it says.

A row is written between two messages, and how long a title is says which product it names: one page
of the database more is written and synced for a longer one (docs/threat-model.md, From timing).
"""

from sqlalchemy import Dialect, String
from sqlalchemy.types import TypeDecorator

_FILLER = "\0"


class PaddedText(TypeDecorator[str]):
    """Stored with zeros up to a multiple of `unit` bytes. Rows without any are read as well."""

    impl = String
    cache_ok = True

    def __init__(self, unit: int) -> None:
        super().__init__()
        self.unit = unit

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value + _FILLER * (-len(value.encode()) % self.unit)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.rstrip(_FILLER)
