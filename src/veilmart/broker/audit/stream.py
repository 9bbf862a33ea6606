"""Rows for the audit: streamed, so that its memory does not grow with the books."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Executable

ROWS_AT_ONCE = 1000


def stream(conn: Connection, query: Executable) -> Iterator[Any]:
    """The rows one by one; a thousand are in memory at once."""
    return iter(conn.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}))
