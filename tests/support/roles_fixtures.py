"""One template of homes for all tests; a market for each module, or for one test alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.roles import Roles, Template, prepared_template, running_roles


@pytest.fixture(scope="session")
def template() -> Template:
    return prepared_template()


TRANSPORTS = ("stream", "post")
"""Every test here runs over both."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def shared(
    template: Template, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Roles]:
    """One market for a whole module; its tests use customers of their own."""
    folder, streams = tmp_path_factory.mktemp("market"), request.param == "stream"
    async with running_roles(template, folder, streams=streams) as running:
        yield running


@pytest_asyncio.fixture(params=TRANSPORTS)
async def roles(
    template: Template, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Roles]:
    """A market for one test, which may do with it what it likes."""
    async with running_roles(template, tmp_path, streams=request.param == "stream") as running:
        yield running


@pytest.fixture(autouse=True)
def short_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wallet that has all of a parcel goes on sooner: no timing is tested here."""
    monkeypatch.setattr("veilmart.customer.purchase.completion_rules.FINISH_SLOT_SECONDS", 0.02)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less before asking again: what is tested here does not get better by waiting."""
    monkeypatch.setattr("veilmart.customer.connection.retries.PAUSES_SECONDS", (0.01, 0.02, 0.05))
    monkeypatch.setattr("veilmart.broker.relay.reporter.PAUSE_FIRST_SECONDS", 0.05)
