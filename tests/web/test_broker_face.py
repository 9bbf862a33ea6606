"""The broker's face in a real browser against the real broker and merchant."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support.real_market import run, serving, wait_for
from tests.web.browser import Face, Watched, running_face, watched_page
from veilmart.broker.home import open_home
from veilmart.broker.maintenance.duty import DutyLine, note_duties
from veilmart.broker.web.plan import MENU

PAGES = tuple(entry.href for entry in MENU)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("market")


@pytest.fixture(scope="module")
def merchant(home: Path) -> Iterator[str]:
    """A running broker, and a running merchant that it has not admitted yet; its URL."""
    goods = home / "goods"
    goods.mkdir()
    (goods / "june.txt").write_text("The stars of June.\n")
    (goods / "july.txt").write_text("The stars of July.\n")
    with serving(home, "broker") as broker:
        assert run(home, "merchant", "init", "--broker", broker, "--yes").code == 0
        assert run(home, "merchant", "add", str(goods), "--price", "5.00").code == 0
        with serving(home, "merchant") as url:
            yield url


@pytest.fixture
def face(home: Path, merchant: str) -> Iterator[Face]:
    where = ("--home", str(home / "broker"))
    with running_face("broker", "web", *where, "--json", "--no-open") as running:
        yield running


def open_account(home: Path, link: str, name: str) -> None:
    assert run(home / name, "customer", "join", link).code == 0
    assert run(home / name, "customer", "register", name, typed="long enough\n").code == 0


def paper(watched: Watched) -> str:
    """Colours of a card: background and text."""
    style = "getComputedStyle(document.querySelector('ul.cards > li'))"
    return str(watched.page.evaluate(f"{style}.backgroundColor + {style}.color"))


def confirm(watched: Watched, name: str = "") -> None:
    """Press the button of the confirmation, after typing `name`."""
    if name:
        watched.page.fill("main input[name=name]", name)
    watched.check()
    watched.page.click("main button[type=submit]")


def find(watched: Watched, name: str) -> None:
    """The page of the people that have `name` in theirs; its address does not say whom."""
    watched.goto("/people")
    watched.page.get_by_label("Find a username").fill(name)
    watched.page.get_by_role("button", name="Find").click()
    expect(watched.page).to_have_url(re.compile("/people.find=[0-9a-f]{24}$"))


def test_every_page_is_accessible_silent_and_fits_at_320_pixels(
    chromium: Browser, face: Face
) -> None:
    context = chromium.new_context(viewport={"width": 320, "height": 700})
    watched = watched_page(context, face)
    for path in PAGES:
        assert watched.goto(path) == 200
        watched.check_in_both_colours()
        assert len(watched.page.content()) <= 60_000
    context.close()


def test_from_an_admission_to_a_clean_audit_without_scripts(
    chromium: Browser, face: Face, home: Path, merchant: str
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(face.file.as_uri())
    page.wait_for_url(f"{face.origin}/")
    page.goto(f"{face.origin}/merchants")
    page.fill("input[name=url]", merchant)
    page.click("text=Look at it")
    shown = page.locator("dl.facts").inner_text()
    own = run(home, "merchant", "fingerprint").out
    assert re.search(r"(\w{4}-){12}\w{4}", shown)[0] in own or own == ""  # type: ignore[index]
    page.click("text=The fingerprint is right")
    expect(page.locator("main")).to_contain_text("admitted")
    wait_for(home / "broker.log", "Merchant merchant authenticated ")
    page.goto(f"{face.origin}/audit")
    page.click("main button")
    page.goto(f"{face.origin}/audit")
    for _ in range(50):
        if "The books are in order" in page.locator("main").inner_text():
            break
        page.wait_for_timeout(100)
        page.reload()
    expect(page.locator("main")).to_contain_text("The books are in order")
    context.close()


def test_a_duty_that_fails_is_on_the_first_page(
    face: Face, home: Path, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    expect(watched.page.locator("main")).to_contain_text("Every duty is done.")
    failed = DutyLine("fold_months", 1_800_000_000, 1_800_000_060, "error 5103: <b>books</b>")
    with open_home(home / "broker") as opened:
        opened.database.run_now(note_duties, [failed])
        watched.goto("/")
        shown = watched.page.locator("div.problem")
        expect(shown).to_contain_text("fold months: not done since 2027-01-15")
        expect(shown).to_contain_text("<b>books</b>")
        watched.check()
        done = DutyLine("fold_months", 1_800_000_120, None, "")
        opened.database.run_now(note_duties, [done])


def test_a_credit_is_booked_once_however_often_it_is_sent(
    face: Face, home: Path, merchant: str, context: BrowserContext
) -> None:
    link = run(home, "merchant", "link").out.splitlines()[0]
    (home / "anna").mkdir()
    open_account(home, link, "anna")
    watched = watched_page(context, face)
    watched.goto("/people")
    form = "form[action='/people/credit']"
    watched.page.fill(f"{form} input[name=username]", "anna")
    watched.page.fill(f"{form} input[name=amount]", "12.50")
    watched.page.click(f"{form} button")
    watched.page.dblclick("main button[type=submit]")
    expect(watched.page.locator("tbody")).to_contain_text("12.50")
    watched.goto("/people")
    watched.page.fill(f"{form} input[name=username]", "anna")
    watched.page.fill(f"{form} input[name=amount]", "12.50")
    watched.page.click(f"{form} button")
    watched.page.click("main button[type=submit]")
    expect(watched.page.locator("main")).to_contain_text("1188")
    assert '"balance":"12.50"' in run(home, "broker", "user", "list", "--json").out.replace(" ", "")


def test_locking_out_asks_for_the_name(
    face: Face, home: Path, merchant: str, context: BrowserContext
) -> None:
    link = run(home, "merchant", "link").out.splitlines()[0]
    (home / "berta").mkdir()
    open_account(home, link, "berta")
    watched = watched_page(context, face)
    find(watched, "berta")
    watched.page.click("text=Lock out")
    confirm(watched, "bert")
    expect(watched.page.locator("main")).to_contain_text("1193")
    watched.messages.clear()  # the browser reports the status of the refusal
    find(watched, "berta")
    watched.page.click("text=Lock out")
    confirm(watched, "berta")
    find(watched, "berta")
    expect(watched.page.locator("tbody")).to_contain_text("locked out")
    watched.page.click("text=New password")
    confirm(watched, "berta")
    assert re.fullmatch("[a-z2-7]{16}", watched.page.locator("p.big code").inner_text())
    watched.check()
    address = watched.page.url
    watched.page.click("main button[type=submit]")
    expect(watched.page).to_have_url(re.compile("/people$"))
    watched.page.goto(address)
    assert watched.page.locator("p.big code").count() == 0


def test_voucher_codes_are_shown_until_they_are_written_down(
    face: Face, home: Path, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    watched.goto("/vouchers")
    form = "form[action='/vouchers/issue']:has(input[name=value])"
    watched.page.fill(f"{form} input[name=value]", "20")
    watched.page.fill(f"{form} input[name=count]", "2")
    watched.page.click(f"{form} button")
    expect(watched.page.locator("dl.facts")).to_contain_text("40.00")
    confirm(watched)
    codes = watched.page.locator("ul.cards > li > p > code").all_inner_texts()
    assert len(set(codes)) == 2
    watched.check()
    light = paper(watched)
    watched.page.emulate_media(media="print", color_scheme="dark")
    assert paper(watched) == light  # a sheet that a dark browser prints is light, too
    assert not watched.page.locator("header.bar").is_visible()
    watched.page.emulate_media(media="screen", color_scheme="light")
    watched.goto("/vouchers")
    watched.page.click("text=New codes that you have not confirmed")
    assert watched.page.locator("ul.cards > li > p > code").all_inner_texts() == codes
    address = watched.page.url
    watched.page.click("text=I have written them down")
    expect(watched.page).to_have_url(re.compile("/vouchers$"))
    watched.page.goto(address)
    expect(watched.page.locator("main")).not_to_contain_text(codes[0])


WRONG_COUNTS = ("1.5", "0", "-1", "1001", "1e3", " ", "\N{FULLWIDTH DIGIT NINE}")


@pytest.mark.parametrize("count", WRONG_COUNTS)
def test_numbers_are_taken_exactly_or_refused(
    face: Face, context: BrowserContext, count: str
) -> None:
    watched = watched_page(context, face)
    watched.goto("/vouchers")
    form = "form[action='/vouchers/issue']:has(input[name=value])"
    watched.page.fill(f"{form} input[name=value]", "20")
    watched.page.fill(f"{form} input[name=count]", count)
    watched.page.evaluate("document.querySelectorAll('form').forEach(f => f.noValidate = true)")
    watched.page.click(f"{form} button")
    expect(watched.page.locator("main")).to_contain_text("Error 1191")


def test_no_page_names_an_order_beside_an_account(
    face: Face, home: Path, merchant: str, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    for path in PAGES:
        watched.goto(path)
        heads = watched.page.locator("th[scope=col]").all_inner_texts()
        assert not ({"Order"} & set(heads) and {"Username", "Account"} & set(heads))
