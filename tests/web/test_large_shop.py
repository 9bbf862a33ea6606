"""The merchant's pages of a shop of 10,000 products: what a page costs does not grow with it.

Judged by the statements that a page asks and the bytes that it has; `bench/goods_page.py` measures
the time.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.web.large_shop import PRODUCTS, OpenFace, large_shop
from veilmart.limits import WEB_PAGE_MAX_BYTES, WEB_ROWS_PER_PAGE

STATEMENTS_MAX = 8


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenFace]:
    with large_shop(tmp_path_factory.mktemp("large") / "merchant") as opened:
        yield opened


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that any database of this process is asked."""
    heard: list[str] = []

    def hear(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        heard.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


def opened(face: OpenFace, path: str) -> str:
    """A page, which is small, asks little and reads no piece list but of the rows it shows."""
    with statements() as heard:
        status, _headers, body = face.ask("GET", path)
    assert status == 200
    assert len(body) <= WEB_PAGE_MAX_BYTES
    asked = [text for text in heard if text.lstrip().upper().startswith("SELECT")]
    assert 0 < len(asked) <= STATEMENTS_MAX, asked
    for text in asked:
        whole = re.search(r"\bpieces\b|\bdescription\b", text) and "FROM products" in text
        assert not whole or " IN (" in text, text
    return body.decode()


def rows(html: str) -> list[str]:
    return re.findall(r'<a href="/goods/[0-9a-f]{24}"><bdi>([^<]*)</bdi>', html)


def search(face: OpenFace, words: str) -> str:
    """The address that a search leads to."""
    status, headers, _body = face.ask("POST", "/goods/find", find=words)
    assert status == 303
    return headers[b"location"].decode()


def test_the_goods_open_at_any_page(face: OpenFace) -> None:
    last = -(-PRODUCTS // WEB_ROWS_PER_PAGE)
    for number in (1, last // 2, last):
        html = opened(face, f"/goods?page={number}")
        assert len(rows(html)) == WEB_ROWS_PER_PAGE
        assert f"Page {number} of {last}" in html


def test_a_filter_finds_by_title_file_and_tag_in_any_case(face: OpenFace) -> None:
    for words, count in (("SHEET 09999", 1), ("chart-00042.pdf", 1), ("northern sky", PRODUCTS)):
        html = opened(face, search(face, words))
        assert f"{count} product" in html and len(rows(html)) == min(count, WEB_ROWS_PER_PAGE)
    assert "No product has that" in opened(face, search(face, "southern"))


def test_the_address_of_a_search_does_not_say_what_was_searched_for(face: OpenFace) -> None:
    where = search(face, "northern")
    assert re.fullmatch(r"/goods\?find=[0-9a-f]{24}", where)
    html = opened(face, where)
    following = re.search(r'href="(/goods\?[^"]+)">Next', html)
    assert following is not None
    second = opened(face, following[1].replace("&amp;", "&"))
    assert "Page 2 of" in second and 'value="northern"' in second


def test_an_outdated_search_says_so(face: OpenFace) -> None:
    status, _headers, body = face.ask("GET", "/goods?find=" + "0" * 24)
    assert status == 410 and b"no longer up to date" in body


def test_start_and_a_single_product_do_not_read_the_whole_shop(face: OpenFace) -> None:
    assert f"{PRODUCTS} products" in opened(face, "/")
    name = re.search(r'href="(/goods/[0-9a-f]{24})"', opened(face, "/goods"))
    assert name is not None
    assert "Chart of the northern sky" in opened(face, name[1])
