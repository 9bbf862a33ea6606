"""`make screenshots`: pictures of the main pages, from a shop of the project's own goods.

    python -m tests.web.screenshots [FOLDER]

Each page is taken in both colours; the default folder is docs/screenshots. A face adds its pages by
a function like `customer_pages`, which drives one browser page and calls `shoot`.
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.real_market import RealMarket
from tests.web.browser import ROOT, launch, running_face, watched_page
from tests.web.desk_pictures import (
    SIZE,
    Shoot,
    Shooter,
    broker_pages,
    demo_pages,
    merchant_pages,
)
from tests.web.seeded_market import customer_face, seeded_market
from tests.web.shopper import customer, done, make_words, open_product, withdraw

FOLDER = ROOT / "docs" / "screenshots"
COLOURS = 128
COLOUR_SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")


def customer_pages(browser: Browser, market: RealMarket, shooter: Shooter) -> None:
    """From the fingerprints of a link to a purchase with a token."""
    with at_home("maria") as home, running_face(*customer_face(home)) as face:
        context = browser.new_context(viewport=SIZE)
        watched = watched_page(context, face)
        page = watched.page
        shoot = shooter(page, "customer")
        page.get_by_label("Link").fill(market.link)
        page.get_by_role("button", name="Look at it").click()
        shoot("fingerprints")
        page.goto(f"{face.origin}/")
        customer(context, face, market, "maria", entered=watched)
        shop = page.url
        watched.goto("/money")
        page.get_by_role("button", name="Ask the broker").click()
        page.goto(shop)
        shoot("shop")
        open_product(watched, "Catalogue of the brightest stars")
        shoot("product")
        page.get_by_role("link", name="Buy").click()
        shoot("pay")
        page.get_by_role("button", name="Pay 1.00").click()
        done(watched)
        shoot("delivered")
        watched.goto("/library")
        shoot("library")
        make_words(watched)
        withdraw(watched, "1.00", 8)
        watched.goto("/tokens")
        shoot("tokens")
        watched.goto("/orders")
        shoot("orders")
        context.close()


@contextmanager
def at_home(name: str) -> Iterator[Path]:
    """A folder whose path may be seen in a picture; removed afterwards."""
    home = Path(tempfile.gettempdir()) / name
    home.mkdir()
    try:
        yield home
    finally:
        shutil.rmtree(home)


def shooter_into(folder: Path) -> Shooter:
    """What takes pictures of a page for a face, light and dark, as small PNG files."""

    def shooter(page: Page, face: str) -> Shoot:
        def shoot(name: str) -> None:
            for scheme in COLOUR_SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                picture = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
                small = picture.convert("RGB").quantize(COLOURS)
                small.save(folder / f"{face}-{name}-{scheme}.png", optimize=True)

        return shoot

    return shooter


FACES: tuple[Callable[[Browser, RealMarket, Shooter], None], ...] = (
    customer_pages,
    merchant_pages,
    broker_pages,
    demo_pages,
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as name,
        seeded_market(Path(name)) as market,
    ):
        browser = launch(playwright)
        for pages in FACES:
            pages(browser, market, shooter_into(folder))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
