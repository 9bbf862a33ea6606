"""Pages of long lists: no page grows with what is stored, and each row is on exactly one page."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from tests.web.hostile_shop import MARKUP
from veilmart.customer.web.library import Owned
from veilmart.limits import WEB_PAGE_MAX_BYTES, WEB_ROWS_PER_PAGE
from veilmart.merchant.web.desk import Money
from veilmart.web.paging import one_page
from veilmart.web.rendering import Pages

ROWS = 10_000


def asked(query: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/goods",
            "query_string": query.encode(),
            "headers": [(b"host", b"a.localhost:1")],
            "server": ("a.localhost", 1),
        }
    )


def test_pages_hold_every_row_once() -> None:
    rows = list(range(2 * WEB_ROWS_PER_PAGE + 1))
    pages = [one_page(asked(f"page={number}"), rows) for number in (1, 2, 3)]
    assert [row for page in pages for row in page.rows] == rows
    assert [page.pages for page in pages] == [3, 3, 3]
    assert (pages[0].previous, pages[2].next) == ("", "")
    assert pages[1].previous.endswith("?page=1") and pages[1].next.endswith("?page=3")


@pytest.mark.parametrize("number", ["0", "-1", "x", "4", "99999999999", "\u0661", "1e3", ""])
def test_a_page_that_is_not_there_is_the_nearest_one(number: str) -> None:
    page = one_page(asked(f"page={number}"), list(range(3 * WEB_ROWS_PER_PAGE)))
    assert page.number in (1, 3) and len(page.rows) == WEB_ROWS_PER_PAGE


def test_an_empty_list_is_one_page() -> None:
    page: Any = one_page(asked(""), [])
    assert (page.rows, page.number, page.pages, page.next) == ([], 1, 1, "")


def test_the_way_to_the_next_page_keeps_the_filter_as_text() -> None:
    page = one_page(asked("state=paid&find=%22%3E%3Cscript%3E&page=1"), list(range(100)))
    assert page.next == "/goods?state=paid&find=%22%3E%3Cscript%3E&page=2"


def test_a_library_of_hostile_titles_stays_below_the_bound_of_a_page() -> None:
    """Its cards repeat a title most often."""
    line = SimpleNamespace(title=(MARKUP * 4)[:200], made_at=1_790_000_000)
    owned = [
        Owned(f"{number:024}", cast("Any", line), 1, Path("a.txt"), [line.title], 2)
        for number in range(ROWS)
    ]
    pages = Pages("veilmart customer", "veilmart.customer.web", ())
    html = pages.part("library.html", here="/", paged=one_page(asked("page=7"), owned), out="/tmp")
    assert "<script>document" not in html and f"Page 7 of {ROWS // WEB_ROWS_PER_PAGE}" in html
    assert len(html.encode()) < WEB_PAGE_MAX_BYTES


def test_goods_of_a_shop_of_ten_thousand_stay_below_the_bound_of_a_page() -> None:
    product = SimpleNamespace(
        title="W" * 200, shelf=1, codes=False, size=10**9, version=3, available=True
    )
    shelf = SimpleNamespace(price=500, name="5.00 of 4 KiB")
    paged = one_page(asked(""), [product] * ROWS)
    pages = Pages("veilmart merchant", "veilmart.merchant.web", ())
    html = pages.part(
        "goods.html",
        here="/goods",
        paged=paged,
        rows=[(row, shelf, "0" * 24) for row in paged.rows],
        money=Money("EUR", 2, (100, 200, 500)),
        uploads=[],
        wanted="",
        error=None,
    )
    assert len(html.encode()) < WEB_PAGE_MAX_BYTES
