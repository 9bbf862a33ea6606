"""SIGKILL of the customer's face in the middle of purchases: nothing is lost or paid twice."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.real_market import RealMarket
from tests.web.browser import running_face, watched_page
from tests.web.seeded_market import customer_face, seeded_market
from tests.web.shopper import customer, done, fill_link, make_words, register, withdraw

TITLE = "The first 100,000 primes"
FILE = "first-100000-primes.csv"
PRICE = 500
CREDIT = 10_000
# Moments after the second step, in seconds: at the connection, the payment, the goods, the end.
MOMENTS = (0.05, 0.25, 0.5, 0.9)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with seeded_market(tmp_path_factory.mktemp("market")) as running:
        yield running


def orders(market: RealMarket, home: Path) -> list[dict[str, str]]:
    told = market.customer(home, "orders", "--home", str(home / "customer"), "--json")
    assert told.code == 0, told.err
    found: list[dict[str, str]] = json.loads(told.out)["orders"]
    return found


def wait_until_settled(market: RealMarket, home: Path) -> list[dict[str, str]]:
    """The face goes on by itself after its start."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        found = orders(market, home)
        if all(order["state"] in ("done", "abandoned", "refunded") for order in found):
            return found
        time.sleep(0.3)
    raise AssertionError(f"Unfinished: {orders(market, home)}")


def begin_purchase(page: Page, button: str) -> None:
    page.get_by_role("link", name=TITLE, exact=True).click()
    page.get_by_role("link", name="Buy").click()
    if page.get_by_label("Buy now").count():
        page.get_by_label("Buy now").check()
    for field in page.get_by_label("Passphrase of the wallet").all():
        if field.is_visible():
            field.fill("quiet harbour")
    page.get_by_role("button", name=button).click(no_wait_after=True)


def test_killed_in_the_middle_of_purchases_from_the_balance(
    market: RealMarket, tmp_path: Path, context: BrowserContext
) -> None:
    with running_face(*customer_face(tmp_path)) as face:
        customer(context, face, market, "killed")
    for moment in MOMENTS:
        with running_face(*customer_face(tmp_path)) as face:
            watched = watched_page(context, face)
            watched.goto("/merchants")
            watched.page.get_by_role("link", name="Open the shop").click()
            begin_purchase(watched.page, "Pay 5.00")
            time.sleep(moment)
            face.kill()
        with running_face(*customer_face(tmp_path)) as face:
            wait_until_settled(market, tmp_path)
            watched = watched_page(context, face)
            watched.goto("/orders")
            expect(watched.page.get_by_role("heading", name="Orders")).to_be_visible()
    found = orders(market, tmp_path)
    paid = [order for order in found if order["state"] == "done"]
    told = market.customer(tmp_path, "balance", "--home", str(tmp_path / "customer"), "--json")
    balance = round(float(json.loads(told.out)["balance"]) * 100)
    assert balance == CREDIT - PRICE * len(paid)
    content = (market.home / "goods" / FILE).read_bytes()
    for order in paid:
        assert Path(order["path"]).read_bytes() == content


def test_killed_in_the_middle_of_a_purchase_with_a_token(
    market: RealMarket, tmp_path: Path, context: BrowserContext
) -> None:
    with running_face(*customer_face(tmp_path)) as face:
        watched = watched_page(context, face)
        fill_link(watched, market.link)
        register(watched, "killedtoken")
        assert market.run("broker", "credit", "killedtoken", "50").code == 0
        make_words(watched)
        withdraw(watched, "5.00", 2)
        watched.goto("/merchants")
        watched.page.get_by_role("link", name="Open the shop").click()
        begin_purchase(watched.page, "Pay with a token")
        time.sleep(0.5)
        face.kill()
    with running_face(*customer_face(tmp_path)) as face:
        # What a token paid has a time of its own within hours, unless the person asks for it now.
        watched = watched_page(context, face)
        watched.goto("/orders")
        if watched.page.locator(".cards li").count():
            watched.page.get_by_role("button", name="Do all of it now").click()
            done(watched)
        found = wait_until_settled(market, tmp_path)
        watched.goto("/tokens")
        left = watched.page.locator("tbody td").first
        tokens = int(left.inner_text()) if left.count() else 0
        paid = sum(order["state"] == "done" for order in found)
        assert tokens == 2 - paid
