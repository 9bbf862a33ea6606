"""INSERT ... ON CONFLICT, which SQLite took over from PostgreSQL word for word."""

from sqlalchemy.dialects.postgresql import insert

__all__ = ["insert"]
