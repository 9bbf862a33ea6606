"""Moments of signed documents on the calendar, for people."""

from datetime import UTC, datetime

_LAST = 253_402_300_799
"""The last second of the year 9999. No calendar here goes on, and a peer may write any number."""


def moment(at: int) -> datetime:
    """Unix seconds, 0 or later, as a time in UTC; what is after the year 9999 as its end."""
    return datetime.fromtimestamp(min(at, _LAST), tz=UTC)


def format_moment(at: int) -> str:
    """Unix seconds as "2026-11-28 05:40:14 UTC"."""
    return f"{moment(at):%Y-%m-%d %H:%M:%S} UTC"
