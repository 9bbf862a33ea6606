"""Programs of a market whose merchant tells the lie that a file names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real_market import CROOKED, RealMarket, real_market


@pytest.fixture(scope="module")
def lie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("lie") / "lie"
    file.write_text("none")
    return file


@pytest.fixture(scope="module")
def market(lie: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEILMART_TEST_LIE", str(lie))
        with real_market(tmp_path_factory.mktemp("market"), seller=CROOKED) as running:
            yield running
