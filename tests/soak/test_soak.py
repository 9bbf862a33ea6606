"""A soak of some months, on both databases; `make soak` plays two years."""

import pytest

from tests.conftest import ENGINES
from tests.soak.__main__ import judged, play
from tests.soak.market import Month


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
async def test_four_months_end_with_books_in_order_and_no_growth(engine: str) -> None:
    assert await play(engine, 240, 4, seed=7, pace=False) == []


def test_a_soak_tells_what_grew() -> None:
    rows = {"transactions": 100, "operations": 100, "postings": 200}
    first = Month(50, 1.0, 2.0, rows)
    assert judged([first, Month(50, 1.09, 9.0, rows)]) == []
    slower = judged([first, Month(50, 1.2, 2.0, rows)])
    assert slower == ["A purchase took 1.00 ms and then 1.20 ms."]
    (grown,) = judged([first, Month(50, 1.0, 2.0, rows | {"operations": 5000})])
    assert grown.startswith("There are 5000 rows of operations")
