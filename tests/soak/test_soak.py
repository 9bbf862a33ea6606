"""A soak of five months with one restore, on both databases; `make soak` plays two years."""

import pytest

from tests.soak.market import Month
from tests.soak.playing import judged, play
from tests.support.engines import ENGINES


@pytest.mark.parametrize("engine", ENGINES)
async def test_five_months_end_with_books_in_order_and_no_growth(engine: str) -> None:
    assert await play(engine, 60, 5, seed=7, pace=False) == []


def test_a_soak_tells_what_grew() -> None:
    rows = {"transactions": 100, "operations": 100, "postings": 200}
    first = Month(50, 1.0, 0.5, 2.0, rows, 10**6)
    assert judged([first, Month(50, 1.09, 0.5, 9.0, rows, 10**6)]) == []
    assert judged([first, Month(50, 2.0, 1.0, 9.0, rows, 10**6)]) == []
    slower = judged([first, Month(50, 1.2, 0.5, 2.0, rows, 10**6)])
    assert slower == ["A purchase of the last month took 1.20 of one of the first."]
    (grown,) = judged([first, Month(50, 1.0, 0.5, 2.0, rows | {"operations": 5000}, 10**6)])
    assert grown.startswith("There are 5000 rows of operations")
    (longer,) = judged([first, first, Month(50, 1.0, 0.5, 2.0, rows, 3 * 10**6)])
    assert longer == "50 purchases made the database 2000000 bytes longer."
