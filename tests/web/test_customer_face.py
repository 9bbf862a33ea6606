"""The customer's face in a real browser against the real broker and merchant."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support.real_market import RealMarket
from tests.web.browser import Face, running_face, watched_page
from tests.web.keyboard import press, type_here, type_into
from tests.web.seeded_market import customer_face, seeded_market
from tests.web.shopper import (
    PASSWORD,
    customer,
    done,
    fill_link,
    make_words,
    open_product,
    pay,
    register,
    saved,
    withdraw,
)

PAGES: tuple[str, ...] = (
    *("/", "/merchants", "/library", "/orders", "/money", "/tokens", "/wallet", "/trust"),
    *("/settings", "/account"),
)
CHEAP = "Physical constants, CODATA 2022"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with seeded_market(tmp_path_factory.mktemp("market")) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def face(home: Path) -> Iterator[Face]:
    with running_face(*customer_face(home)) as running:
        yield running


def test_three_clicks_after_registering_a_product_is_here(
    market: RealMarket, face: Face, home: Path, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "clara")
    # Counted in the window's name, which outlives a page.
    context.add_init_script(
        "addEventListener('click', () => { window.name = String(Number(window.name) + 1) }, true)"
    )
    watched.page.reload()
    watched.page.evaluate("window.name = '0'")
    open_product(watched, CHEAP)
    pay(watched, "Pay 1.00")
    assert watched.page.evaluate("window.name") == "3"
    assert saved(home) == ["physical-constants.txt"]
    bought = (home / "files" / "physical-constants.txt").read_bytes()
    assert bought == (market.home / "goods" / "physical-constants.txt").read_bytes()
    watched.page.get_by_role("link", name="Library").last.click()
    expect(watched.page.get_by_text("physical-constants.txt", exact=True)).to_be_visible()
    watched.check()


def test_two_tabs_with_the_same_quote_pay_once(
    market: RealMarket, face: Face, home: Path, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "tabs")
    open_product(watched, CHEAP)
    watched.page.get_by_role("link", name="Buy").click()
    other = context.new_page()
    other.goto(watched.page.url)
    watched.page.get_by_role("button", name="Pay 1.00").dblclick()
    done(watched)
    other.get_by_role("button", name="Pay 1.00").click()
    expect(other.get_by_role("alert")).to_contain_text("You already own this")
    watched.page.go_back()
    expect(watched.page.get_by_text("You own this already")).to_be_visible()
    assert saved(home) == ["physical-constants.txt"]
    watched.goto("/money")
    watched.page.get_by_role("button", name="Ask the broker").click()
    expect(watched.page.get_by_text("99.00 EUR")).to_be_visible()


def test_every_page_is_accessible_silent_and_fits_at_320_pixels(
    market: RealMarket, face: Face, chromium: Browser
) -> None:
    context = chromium.new_context(viewport={"width": 320, "height": 640})
    watched = watched_page(context, face)
    watched.check_in_both_colours()
    fill_link(watched, market.link)
    watched.check_in_both_colours()
    register(watched, "narrow")
    market.run("broker", "credit", "narrow", "50")
    watched.check_in_both_colours()
    open_product(watched, "The first 100,000 primes")
    watched.check_in_both_colours()
    watched.page.get_by_role("link", name="Buy").click()
    watched.check_in_both_colours()
    watched.page.get_by_role("button", name="Pay 5.00").click()
    watched.check_in_both_colours()
    done(watched)
    watched.check_in_both_colours()
    for path in PAGES:
        assert watched.goto(path) == 200
        watched.check_in_both_colours()
    watched.page.set_viewport_size({"width": 1200, "height": 800})
    for path in PAGES:
        watched.goto(path)
        watched.check_in_both_colours()
    watched.goto("/orders")
    watched.page.locator(".cards a").first.click()
    watched.check_in_both_colours()
    watched.goto("/merchants")
    watched.page.get_by_role("button", name="Read it").click()
    watched.check_in_both_colours()
    watched.goto("/trust")
    watched.page.get_by_role("button", name="Look at the fingerprint").click()
    expect(watched.page.get_by_text("It is the same fingerprint")).to_be_visible()
    watched.check_in_both_colours()
    context.close()


def test_without_scripts_everything_works_to_the_file(
    market: RealMarket, face: Face, home: Path, chromium: Browser
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    watched = customer(context, face, market, "paper")
    page = watched.page
    page.get_by_label("Search").fill("constants")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1 product", exact=True)).to_be_visible()
    open_product(watched, CHEAP)
    pay(watched, "Pay 1.00")
    assert saved(home) == ["physical-constants.txt"]
    assert watched.messages == [] and watched.foreign == []
    context.close()


def test_by_keyboard_alone_from_the_link_to_the_file(
    market: RealMarket, face: Face, home: Path, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    page = watched.page
    type_here(watched, market.link)  # the field has the focus
    with page.expect_navigation():
        page.keyboard.press("Enter")
    press(watched, "They are right")
    type_into(watched, "Username", "keys")
    type_into(watched, "Password", PASSWORD)
    type_into(watched, "Password again", PASSWORD)
    press(watched, "Register")
    page.wait_for_url("**/shop/**")
    assert market.run("broker", "credit", "keys", "10").code == 0
    press(watched, CHEAP)
    press(watched, "Buy")
    press(watched, "Pay 1.00")
    done(watched)
    assert saved(home) == ["physical-constants.txt"]


def test_words_tokens_and_a_purchase_without_an_account(
    market: RealMarket, face: Face, home: Path, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "tomas")
    page = watched.page
    words = make_words(watched)
    assert len(words) == 12
    withdraw(watched, "1.00", 2)
    watched.goto("/merchants")
    page.get_by_role("link", name="Open the shop").click()
    open_product(watched, CHEAP)
    page.get_by_role("link", name="Buy").click()
    expect(page.get_by_text("Neither who nor what")).to_be_visible()
    expect(page.get_by_text("rests until 20")).to_be_visible()
    watched.check()
    page.get_by_label("Buy now all the same").check()
    page.get_by_role("button", name="Pay with a token").click()
    done(watched)
    assert saved(home) == ["physical-constants.txt"]
    watched.goto("/tokens")
    expect(page.get_by_role("row").nth(1)).to_contain_text("1")
    watched.goto("/money")
    page.get_by_role("button", name="Ask the broker").click()
    expect(page.get_by_text("98.00 EUR")).to_be_visible()
    # Showing the words asks for the passphrase again, also while the wallet is open.
    watched.goto("/wallet")
    page.get_by_role("button", name="Show them").click()
    assert page.locator("ol.words").count() == 0
    page.get_by_label("Passphrase", exact=True).first.fill("wrong one")
    page.get_by_role("button", name="Show them").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Passphrase", exact=True).first.fill("quiet harbour")
    page.get_by_role("button", name="Show them").click()
    expect(page.locator("ol.words li")).to_have_count(len(words))
    assert [t.strip() for t in page.locator("ol.words li").all_inner_texts()] == words


def test_a_refund_of_the_merchant_is_found_and_shown(
    market: RealMarket, face: Face, home: Path, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "refunded")
    open_product(watched, CHEAP)
    pay(watched, "Pay 1.00")
    told = market.customer(home, "orders", "--home", str(home / "customer"), "--json")
    order = re.search(r'"order":"([0-9a-f]{64})"', told.out)
    assert order is not None
    refund = market.run("merchant", "refund", order[1], "--yes")
    assert refund.code == 0, refund.err
    watched.goto("/orders")
    watched.page.get_by_role("button", name="Do all of it now").click()
    done(watched)
    watched.goto("/orders")
    expect(watched.page.get_by_text("returned to you, the whole amount")).to_be_visible()
    expect(watched.page.get_by_text(re.compile(r"a file of .+, .+ to download"))).to_be_visible()
    watched.check()


def test_the_library_fetches_a_lost_file_again_for_nothing(
    market: RealMarket, face: Face, home: Path, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "again")
    open_product(watched, CHEAP)
    pay(watched, "Pay 1.00")
    (home / "files" / "physical-constants.txt").unlink()
    watched.goto("/library")
    expect(watched.page.get_by_text("not there any more")).to_be_visible()
    watched.page.get_by_role("button", name="Fetch again").click()
    done(watched)
    assert saved(home) == ["physical-constants.txt"]
    watched.goto("/library")
    watched.page.get_by_role("button", name="Look for new versions").click()
    done(watched)
    watched.check()


def publish_again(market: RealMarket, file_name: str, title: str, about: str) -> bytes:
    """A new version of a product: other bytes, another title, another description."""
    goods = market.home / "goods"
    content = (goods / file_name).read_bytes() + b"One more line.\n" * 40
    (goods / file_name).write_bytes(content)
    shop = (goods / "shop.toml").read_text()
    entry = re.search(rf'\["{re.escape(file_name)}"\]\n(?:.+\n)+', shop)
    assert entry is not None
    fresh = re.sub('title = ".*"', f'title = "{title}"', entry[0])
    fresh = re.sub('description = ".*"', f'description = "{about}"', fresh)
    (goods / "shop.toml").write_text(shop.replace(entry[0], fresh))
    done = market.run("merchant", "import", str(goods), "--k", "3")
    assert done.code == 0, done.err
    return content


def test_the_library_says_what_a_new_version_changed_and_fetches_it(
    market: RealMarket, face: Face, home: Path, context: BrowserContext
) -> None:
    old, new = "Spelling alphabet, Morse, Braille and ASCII", "Five alphabets"
    watched = customer(context, face, market, "newer")
    page = watched.page
    open_product(watched, old)
    pay(watched, "Pay 1.00")
    (name,) = saved(home)
    content = publish_again(market, name, new, "Now with <b>semaphore</b>.")
    for _ in range(50):  # until the running shop has signed its new catalogue
        watched.goto("/library")
        page.get_by_role("button", name="Look for new versions").click()
        done(watched)
        if page.get_by_text("1 new version at").count():
            break
    watched.goto("/library")
    news = page.locator(".note li")
    expect(news).to_have_text(
        [
            "Version 1 is here, version 2 is on sale.",
            f"Title: {old} is now {new}.",
            re.compile(r"Size: 3\.\d KiB, now 4\.\d KiB\."),
            "Description: Now with <b>semaphore</b>.",
        ]
    )
    watched.check()
    page.get_by_role("button", name="Fetch version 2").click()
    done(watched)
    watched.goto("/library")
    expect(page.get_by_text("Version 2, bought")).to_be_visible()
    expect(news).to_have_count(0)
    assert content in [path.read_bytes() for path in (home / "files").iterdir()]
    watched.check()


def test_a_voucher_is_redeemed_once(
    market: RealMarket, face: Face, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "voucher", "0.01")
    made = market.run("broker", "voucher", "issue", "--value", "7.00", "--json")
    code = re.search(r"[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}", made.out)
    assert code is not None, made
    for said in ("7.00 redeemed", "already redeemed by you"):
        watched.goto("/money")
        watched.page.get_by_label("Code").fill(code[0])
        watched.page.get_by_role("button", name="Redeem").click()
        expect(watched.page.get_by_role("status")).to_contain_text(said)
    expect(watched.page.get_by_text("7.01 EUR")).to_be_visible()


def test_commands_work_beside_a_running_face(
    market: RealMarket, face: Face, home: Path, context: BrowserContext
) -> None:
    watched = customer(context, face, market, "beside")
    where = ("--home", str(home / "customer"))
    bought = market.customer(
        home, "buy", CHEAP, "--yes", "--account", "--out", str(home / "files"), *where
    )
    assert bought.code == 0, bought.err
    watched.goto("/library")
    expect(watched.page.get_by_role("heading", name=CHEAP)).to_be_visible()


def test_a_link_given_to_the_command_only_opens_its_fingerprints(
    market: RealMarket, home: Path, context: BrowserContext
) -> None:
    with running_face(*customer_face(home, market.link)) as face:
        watched = watched_page(context, face)
        expect(watched.page.get_by_role("heading", name="Who this is")).to_be_visible()
        watched.check()
        told = market.customer(home, "balance", "--home", str(home / "customer"))
        assert told.code != 0  # nothing was pinned by looking
