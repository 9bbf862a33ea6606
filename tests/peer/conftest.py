"""One market for the tests of a module, and how they speak to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .client import Http
from .running_market import Market, market_in
from .stream import Stream


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market_in(tmp_path_factory.mktemp("market")) as running:
        yield running


@pytest.fixture(params=[Http, Stream], ids=["by POST", "over a stream"])
def transport(request: pytest.FixtureRequest) -> type[Http]:
    """What every connection of the test is."""
    chosen: type[Http] = request.param
    return chosen
