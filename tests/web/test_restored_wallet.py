"""Another machine: words bring tokens back, and an order that is known by its key alone."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.web.browser import running_face, watched_page
from tests.web.seeded_market import customer_face, seeded_market
from tests.web.shopper import (
    PASSPHRASE,
    PASSWORD,
    customer,
    done,
    fill_link,
    make_words,
    open_product,
    saved,
    withdraw,
)

TITLE = "Physical constants, CODATA 2022"


def test_words_bring_back_tokens_and_an_order_on_another_machine(
    tmp_path: Path, context: BrowserContext
) -> None:
    homes = [tmp_path / "before", tmp_path / "after"]
    for home in (*homes, tmp_path / "market"):
        home.mkdir()
    with seeded_market(tmp_path / "market") as market:
        with running_face(*customer_face(homes[0])) as face:
            watched = customer(context, face, market, "moved")
            words = make_words(watched)
            withdraw(watched, "1.00", 2)
            watched.goto("/merchants")
            watched.page.get_by_role("link", name="Open the shop").click()
            open_product(watched, TITLE)
            watched.page.get_by_role("link", name="Buy").click()
            watched.page.get_by_label("Buy now all the same").check()
            watched.page.get_by_role("button", name="Pay with a token").click()
            done(watched)
        with running_face(*customer_face(homes[1])) as face:
            watched = watched_page(context, face)
            page = watched.page
            fill_link(watched, market.link)
            form = page.locator('form[action="/account/login"]')
            form.get_by_label("Username").fill("moved")
            form.get_by_label("Password").fill(PASSWORD)
            form.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/shop/**")
            watched.goto("/wallet")
            page.get_by_text("Bring tokens back from words").click()
            form = page.locator('form[action="/wallet/restore"]')
            form.get_by_label("Words").fill(" ".join(words))
            form.get_by_label("New passphrase", exact=True).fill(PASSPHRASE)
            form.get_by_label("New passphrase again").fill(PASSPHRASE)
            form.get_by_role("button", name="Restore").click()
            done(watched)
            watched.goto("/tokens")
            expect(page.locator("tbody td").first).to_have_text("1")
            watched.goto("/orders")
            watched.check()
            page.get_by_role("button", name="Ask about it").click()
            done(watched)
            expect(page.get_by_text(f"{TITLE}: yours")).to_be_visible()
            watched.goto("/library")
            page.get_by_role("button", name="Fetch again").click()
            done(watched)
            assert saved(homes[1]) == ["physical-constants.txt"]
