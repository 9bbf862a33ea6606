"""One market for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .running_market import Market, market_in


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market_in(tmp_path_factory.mktemp("market")) as running:
        yield running
