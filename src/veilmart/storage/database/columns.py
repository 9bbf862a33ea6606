"""Column types that mean the same in both databases."""

from typing import Any, Final, TypeAlias

from sqlalchemy import BigInteger, Integer as _Integer
from sqlalchemy.dialects.postgresql import insert

# SQLite's INTEGER has 64 bits and, as primary key, numbers its rows; PostgreSQL's has 32.
Integer: Final = BigInteger().with_variant(_Integer(), "sqlite")
"""64 bits: numbers of rows, times, sizes and amounts up to 2^53 - 1."""

AnyRow: TypeAlias = Any
"""A row whose columns are read by name. Any: SQLAlchemy types columns by place only."""

__all__ = ["AnyRow", "Integer", "insert"]
