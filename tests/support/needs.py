"""Markers that say what a test needs, set by the fixtures that it uses.

`pytest -m "not postgres and not chromium"` runs what a bare machine can. What a fixture does not
tell is marked where the test is written.
"""

import pytest

NEEDED_BY = {
    "postgres_server": "postgres",
    "pair": "postgres",
    "pooler": "pgbouncer",
    "chromium": "chromium",
}
"""Fixture: marker."""


def mark(item: pytest.Item) -> None:
    """Add what its fixtures and its engine need."""
    fixtures = getattr(item, "fixturenames", ())
    for needed in {NEEDED_BY[name] for name in fixtures if name in NEEDED_BY}:
        item.add_marker(needed)
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if parameters.get("engine") == "postgresql":
        item.add_marker("postgres")
