"""Money that comes back, in the browser: a cancelled order, a dispute, a merchant's refund.

The merchant is the real one, but tells the lie that a file names.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.support.crooked_market import lie as lie, market as market
from tests.support.real_market import RealMarket
from tests.web.browser import Face, Watched, running_face, watched_page
from tests.web.desk_pictures import desk_of
from tests.web.seeded_market import customer_face
from tests.web.shopper import customer, done, open_product, pay

TITLE = "june.txt"
RETURNED = "returned to you, the whole amount"


@pytest.fixture
def face(tmp_path: Path) -> Iterator[Face]:
    with running_face(*customer_face(tmp_path)) as running:
        yield running


def buy_in_vain(watched: Watched, lie: Path, told: str) -> None:
    """A purchase at a merchant that lies; ends on the page of its order."""
    page = watched.page
    open_product(watched, TITLE)
    page.get_by_role("link", name="Buy").click()
    lie.write_text(told)
    page.get_by_role("button", name="Pay 5.00").click()
    expect(page.locator("#job .problem")).to_be_visible(timeout=60_000)
    watched.check()
    lie.write_text("none")
    watched.goto("/orders")
    page.get_by_role("link", name=TITLE).click()


def balance(watched: Watched) -> str:
    watched.goto("/money")
    with watched.page.expect_navigation():
        watched.page.get_by_role("button", name="Ask the broker").click()
    return watched.page.locator("p.big").inner_text()


def test_an_order_without_goods_is_cancelled_in_two_steps(
    market: RealMarket, lie: Path, face: Face, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "canceller")
    page = watched.page
    buy_in_vain(watched, lie, "nothing")
    watched.check()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Cancel this order?")).to_be_visible()
    watched.check()
    assert balance(watched) == "95.00 EUR"  # asking changed nothing
    watched.goto("/orders")
    page.get_by_role("link", name=TITLE).click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the order").dblclick()
    done(watched)
    watched.goto("/orders")
    expect(page.get_by_text(RETURNED)).to_be_visible()
    assert balance(watched) == "100.00 EUR"


def test_a_dispute_shows_what_the_broker_would_see_and_brings_the_money_back(
    market: RealMarket, lie: Path, face: Face, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "disputer")
    page = watched.page
    buy_in_vain(watched, lie, "key")
    expect(page.get_by_text("not as promised")).to_be_visible()
    page.get_by_role("button", name="Dispute").click()
    done(watched)
    page.get_by_role("link", name="See what was found").click()
    expect(page.get_by_text("shows the broker what this order was about")).to_be_visible()
    watched.check()
    page.get_by_role("button", name="Show it to the broker").click()
    done(watched)
    watched.check()
    watched.goto("/orders")
    expect(page.get_by_text(RETURNED)).to_be_visible()
    assert balance(watched) == "100.00 EUR"
    with running_face(*desk_of(market, "broker")) as broker:
        desk = watched_page(context, broker)
        desk.goto("/disputes")
        expect(desk.page.locator("tbody tr")).to_have_count(1)
        assert "disputer" not in desk.page.content()
        desk.check()


def test_a_refund_at_the_merchants_desk_asks_for_the_title_and_reaches_the_customer(
    market: RealMarket, face: Face, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "refunded")
    open_product(watched, TITLE)
    pay(watched, "Pay 5.00")
    with running_face(*desk_of(market, "merchant")) as merchant:
        desk = watched_page(context, merchant)
        desk.goto("/orders?state=settled")
        desk.page.get_by_role("button", name=f"Refund {TITLE}").click()
        desk.check()
        desk.page.locator("main input[name=name]").fill(TITLE)
        desk.page.get_by_role("button", name="Give it back").dblclick()
        expect(desk.page.get_by_role("status")).to_contain_text("told to give the price back")
        desk.check()
    watched.goto("/orders")
    watched.page.get_by_role("button", name="Do all of it now").click()
    done(watched)
    watched.goto("/orders")
    expect(watched.page.get_by_text(RETURNED)).to_be_visible()
    assert balance(watched) == "100.00 EUR"
    assert market.run("broker", "audit").code == 0
