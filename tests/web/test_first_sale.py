"""From two empty folders to the first sale and a clean audit, in the browser alone."""

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.support.real_market import RealMarket, run, serving, wait_for
from tests.web.browser import Watched, running_face, watched_page
from tests.web.desk_pictures import desk_of
from tests.web.seeded_market import customer_face
from tests.web.shopper import fill_link, open_product, pay, register, saved

DROP = """() => {
    const data = new DataTransfer();
    for (const month of ["june", "july"])
        data.items.add(new File([`The stars of ${month}.\\n`], `${month}.txt`));
    return data;
}"""


def drop_files(desk: Watched) -> None:
    """Two files dropped onto the page of the goods, and put on sale."""
    page = desk.page
    desk.goto("/goods")
    page.dispatch_event("[data-upload]", "drop", {"dataTransfer": page.evaluate_handle(DROP)})
    expect(page.locator("input[name=upload]")).to_have_count(2)
    desk.check()
    page.locator("select[name=price]").select_option("5.00")
    page.get_by_role("button", name="Put on sale").click()
    expect(page.locator("#job")).to_contain_text("2 on sale at 5.00", timeout=60_000)


def admit(desk: Watched, url: str, fingerprint: str) -> None:
    desk.goto("/merchants")
    desk.page.get_by_label("Address of the merchant").fill(url)
    desk.page.get_by_role("button", name="Look at it").click()
    expect(desk.page.locator("dl.facts")).to_contain_text(fingerprint)
    desk.check()
    desk.page.get_by_role("button", name="The fingerprint is right").click()
    expect(desk.page.locator("main")).to_contain_text("admitted")


def credit(desk: Watched, name: str) -> None:
    desk.goto("/people")
    desk.page.get_by_label("Username", exact=True).fill(name)
    desk.page.get_by_label("Amount").fill("20.00")
    desk.page.get_by_role("button", name="Go on").click()
    desk.page.get_by_role("button", name="Credit").click()
    expect(desk.page.locator("tbody")).to_contain_text("20.00")


def audit(desk: Watched) -> None:
    desk.goto("/audit")
    desk.page.locator("main button").click()
    expect(desk.page.locator("main")).to_contain_text("in order", timeout=60_000)
    desk.check()


def test_from_empty_folders_to_the_first_sale_and_a_clean_audit(
    tmp_path: Path, context: BrowserContext
) -> None:
    home = tmp_path
    market = RealMarket(home, "", "")
    assert run(home, "broker", "init").code == 0
    with serving(home, "broker") as broker, running_face(*desk_of(market, "broker")) as operator:
        till = watched_page(context, operator)
        assert run(home, "merchant", "init", "--broker", broker, "--yes").code == 0
        with running_face(*desk_of(market, "merchant")) as owner:
            shop = watched_page(context, owner)
            expect(shop.page.get_by_text("Put goods on sale")).to_be_visible()
            drop_files(shop)
            shop.goto("/")
            fingerprint = shop.page.locator("dl.facts code.fingerprint").inner_text()
            with serving(home, "merchant") as url:
                admit(till, url, fingerprint)
                wait_for(home / "broker.log", "Merchant merchant authenticated ")
                shop.goto("/link")
                link = shop.page.locator("p code").inner_text()
                assert shop.page.get_by_role("img", name="QR code").is_visible()
                with running_face(*customer_face(home)) as buyer:
                    watched = watched_page(context, buyer)
                    fill_link(watched, link)
                    register(watched, "clara")
                    credit(till, "clara")
                    open_product(watched, "june.txt")
                    pay(watched, "Pay 5.00")
                    assert saved(home) == ["june.txt"]
                for _ in range(100):
                    shop.goto("/")
                    if not shop.page.get_by_text("Before the first sale").count():
                        break
                    shop.page.wait_for_timeout(100)
                expect(shop.page.locator("dl.facts")).to_contain_text(re.compile(r"Sold\s*1"))
                shop.goto("/sales")
                expect(shop.page.get_by_role("row", name=re.compile("june"))).to_be_visible()
                audit(till)
                till.goto("/people")
                assert "june" not in till.page.content()
