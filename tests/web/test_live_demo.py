"""`veilmart demo --web`: three columns, live, and four attacks that fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.web.browser import Face, Watched, running_face, watched_page


@pytest.fixture
def goods(tmp_path: Path) -> Path:
    """Fewer than the demonstration's own, which take two seconds to make and to pack."""
    for month in ("june", "july"):
        (tmp_path / f"{month}.txt").write_text(f"The stars of {month}.\n")
    return tmp_path


@contextmanager
def demo(*words: str) -> Iterator[Face]:
    words = ("demo", "--web", "--json", "--no-open", *words)
    with running_face(*words, module="tests.web.forked_demo") as face:
        yield face


def buy(watched: Watched) -> None:
    watched.page.get_by_role("button", name="Buy").click()
    expect(watched.page.locator("#columns .good, #columns .problem")).to_be_visible(timeout=60_000)


def test_the_columns_fill_while_the_person_buys(context: BrowserContext) -> None:
    with demo() as face:
        watched = watched_page(context, face)
        watched.check()
        buy(watched)
        page = watched.page
        expect(page.locator("#columns .good")).to_contain_text("The file is here")
        expect(page.get_by_text("maria pays 1.00")).to_contain_text("Product: not known")
        expect(page.get_by_text("Somebody buys")).to_contain_text("Who: not known")
        for text in ("Names, titles or hashes", "The customer's name in all"):
            expect(page.get_by_text(text).locator("strong")).to_have_text("0")
        watched.check()


def test_step_by_step_every_message_waits_for_the_key(context: BrowserContext, goods: Path) -> None:
    with demo("--step", "--products", str(goods)) as face:
        watched = watched_page(context, face)
        page = watched.page
        page.get_by_role("button", name="Buy").click()
        expect(page.get_by_text("1 message waits")).to_be_visible()
        assert page.locator(".wire li").count() == 0
        for seen in (1, 2, 3):
            page.get_by_role("button", name="Next message").press("Enter")
            expect(page.locator(".wire li")).to_have_count(seen)
        watched.check()


@pytest.mark.parametrize(
    ("attack", "done", "ends"),
    [
        ("mitm", "descriptor replaced", "No money moved"),
        ("reflect", "its own message back", "No money moved"),
        ("replay", "an old answer", "The file is here"),
        ("swap-file", "one bit of the goods", "The file is here"),
    ],
)
def test_an_attack_is_played_and_fails(
    context: BrowserContext, goods: Path, attack: str, done: str, ends: str
) -> None:
    with demo("--attack", attack, "--products", str(goods)) as face:
        watched = watched_page(context, face)
        buy(watched)
        page = watched.page
        expect(page.get_by_text(done)).to_be_visible()
        expect(page.locator("#columns .good, #columns .problem")).to_contain_text(ends)
        if ends == "The file is here":
            expect(page.get_by_text("maria pays 1.00")).to_have_count(1)
        watched.check()
