"""Pictures of the two desks and of the live demonstration, for `make screenshots`."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.real_market import RealMarket
from tests.web.browser import running_face, watched_page

SIZE: ViewportSize = {"width": 1000, "height": 680}
WIDE: ViewportSize = {"width": 1200, "height": 900}
Shoot = Callable[[str], None]
Shooter = Callable[[Page, str], Shoot]


def desk_of(market: RealMarket, role: str) -> list[str]:
    """The words of a desk's face beside the running servers."""
    where = ("--home", str(market.home / role))
    return [role, "web", *where, "--json", "--no-open"]


def merchant_pages(browser: Browser, market: RealMarket, shooter: Shooter) -> None:
    """The shop's desk after a few sales."""
    with running_face(*desk_of(market, "merchant")) as face:
        context = browser.new_context(viewport=SIZE)
        watched = watched_page(context, face)
        shoot = shooter(watched.page, "merchant")
        shoot("shop")
        for name in ("goods", "shelves", "orders", "sales", "link"):
            watched.goto(f"/{name}")
            shoot(name)
        context.close()


def broker_pages(browser: Browser, market: RealMarket, shooter: Shooter) -> None:
    """The operator's desk, with fresh vouchers and an audit."""
    with running_face(*desk_of(market, "broker")) as face:
        context = browser.new_context(viewport=SIZE)
        watched = watched_page(context, face)
        page, shoot = watched.page, shooter(watched.page, "broker")
        for path, name in (("/", "overview"), ("/merchants", "merchants"), ("/people", "people")):
            watched.goto(path)
            shoot(name)
        watched.goto("/vouchers")
        form = page.locator("form[action='/vouchers/issue']:has(input[name=value])")
        form.locator("input[name=value]").fill("20")
        form.locator("input[name=count]").fill("3")
        form.locator("button").click()
        page.locator("main button[type=submit]").click()
        expect(page.get_by_role("heading", name="New codes")).to_be_visible()
        shoot("vouchers")
        watched.goto("/audit")
        page.locator("main button").click()
        expect(page.locator("main")).to_contain_text("in order", timeout=60_000)
        watched.goto("/audit")
        shoot("audit")
        context.close()


def demo_pages(browser: Browser, market: RealMarket, shooter: Shooter) -> None:
    """Three columns after a purchase, and under an attack."""
    for name, words in (("bought", ()), ("mitm", ("--attack", "mitm"))):
        with running_face("demo", "--web", "--json", "--no-open", *words) as face:
            context = browser.new_context(viewport=WIDE)
            watched = watched_page(context, face)
            watched.page.get_by_role("button", name="Buy").click()
            ended = watched.page.locator("#columns .good, #columns .problem")
            expect(ended).to_be_visible(timeout=60_000)
            shooter(watched.page, "demo")(name)
            context.close()
