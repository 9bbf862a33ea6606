"""Real broker, merchant and wallet over HTTP in one event loop, with a clock that can be moved."""

import pytest

from tests.support.roles_fixtures import impatient, roles, short_slots, template

__all__ = ["impatient", "roles", "short_slots", "template"]


@pytest.fixture(autouse=True)
def sweeping(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    """Deadlines are looked at often, so that no test waits for them."""
    monkeypatch.setattr("veilmart.broker.maintenance.upkeep.SWEEP_EVERY_SECONDS", 0.05)
    monkeypatch.setattr("veilmart.broker.server.running.LOOK_EVERY_SECONDS", 0.05)
