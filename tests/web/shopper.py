"""What a person does in the customer's face, as steps that tests share."""

from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.support.real_market import RealMarket
from tests.web.browser import Face, Watched, watched_page

PASSWORD = "seven green lanterns"
PASSPHRASE = "quiet harbour"


def fill_link(watched: Watched, link: str) -> None:
    """Paste a link on the start page and accept its fingerprints."""
    page = watched.page
    page.get_by_label("Link").fill(link)
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="They are right").click()


def register(watched: Watched, name: str) -> None:
    """On the page of the account; ends in the shop that the link named."""
    form = watched.page.locator('form[action="/account/register"]')
    form.get_by_label("Username").fill(name)
    form.get_by_label("Password", exact=True).fill(PASSWORD)
    form.get_by_label("Password again").fill(PASSWORD)
    form.get_by_role("button", name="Register").click()
    watched.page.wait_for_url("**/shop/**")


def customer(
    context: BrowserContext,
    face: Face,
    market: RealMarket,
    name: str,
    amount: str = "100",
    entered: Watched | None = None,
) -> Watched:
    """A page in the shop, of a registered customer with money. entered: a page that is in."""
    watched = entered or watched_page(context, face)
    fill_link(watched, market.link)
    register(watched, name)
    assert market.run("broker", "credit", name, amount).code == 0
    return watched


def open_product(watched: Watched, title: str) -> None:
    """From the shop's list to a product's page."""
    watched.page.get_by_role("link", name=title, exact=True).click()
    expect(watched.page.get_by_role("heading", level=1, name=title)).to_be_visible()


def pay(watched: Watched, button: str) -> None:
    """From a product's page through both steps, until the file is here."""
    watched.page.get_by_role("link", name="Buy").click()
    watched.page.get_by_role("button", name=button).click()
    done(watched)


def done(watched: Watched, seconds: int = 60) -> None:
    """The job on the page has ended well."""
    expect(watched.page.locator("#job .good, #job .problem")).to_be_visible(timeout=seconds * 1000)
    assert watched.page.locator("#job .problem").count() == 0, watched.page.inner_text("main")


def make_words(watched: Watched, passphrase: str = PASSPHRASE) -> list[str]:
    """Draw the wallet's words, type three of them back."""
    page: Page = watched.page
    watched.goto("/wallet")
    form = page.locator('form[action="/wallet/draw"]')
    form.get_by_label("New passphrase").fill(passphrase)
    form.get_by_label("Again", exact=True).fill(passphrase)
    form.get_by_role("button", name="Draw").click()
    words = [text.strip() for text in page.locator("ol.words li").all_inner_texts()]
    page.get_by_role("button", name="I have").click()
    for label in page.locator('form[action="/wallet/create"] label').all():
        number = int(label.inner_text().split()[1])
        label.locator("input").fill(words[number - 1])
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("This wallet has its words")).to_be_visible()
    return words


def withdraw(watched: Watched, price: str, count: int) -> None:
    """Turn balance into tokens."""
    watched.goto("/tokens")
    page = watched.page
    page.get_by_label("Price of one").select_option(label=price)
    page.get_by_label("How many").fill(str(count))
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Withdraw").click()
    done(watched, 120)


def saved(home: Path) -> list[str]:
    """Names of the files that the face saved."""
    return sorted(path.name for path in (home / "files").glob("*"))
