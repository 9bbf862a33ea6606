"""The two desks beyond their menus: by keyboard alone, narrow, in both colours.

One market for the module: with a settled sale, a payout that is asked for and a merchant that
waits to be admitted.
"""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.attacks.real_acts import BUYER, DEAR, ThreeFaces, three_faces
from tests.web.browser import Watched
from tests.web.keyboard import press, tick, type_into


@pytest.fixture(scope="module")
def faces(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeFaces]:
    context = chromium.new_context()
    context.set_default_timeout(15_000)
    with three_faces(tmp_path_factory.mktemp("market"), context) as opened:
        codes = tmp_path_factory.mktemp("codes")
        (codes / "licence.codes").write_text("one-1\ntwo-2\n")
        done = opened.market.run("merchant", "import", str(codes), "--alone", "--k", "1")
        assert done.code == 0, done.err
        yield opened
    context.close()


def look(watched: Watched, heading: str) -> None:
    """The page that is open, at 320 pixels, light and dark."""
    expect(watched.page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    watched.check_in_both_colours()


def click(watched: Watched, name: str) -> None:
    watched.page.locator("main").get_by_role("button", name=name).first.click()


def narrow(faces: ThreeFaces, role: str) -> Watched:
    watched = faces.pages[role]
    watched.page.set_viewport_size({"width": 320, "height": 700})
    watched.messages.clear()
    return watched


def test_the_merchants_inner_pages_are_accessible_silent_and_narrow(
    faces: ThreeFaces, tmp_path: Path
) -> None:
    desk = narrow(faces, "merchant")
    page = desk.page
    desk.goto("/goods")
    page.get_by_label("Title, file or tag").fill(DEAR)
    click(desk, "Find")
    look(desk, "Goods")
    page.get_by_role("link", name=DEAR).click()
    look(desk, DEAR)
    page.get_by_label("Accept that another").check()
    click(desk, "Take it off")
    look(desk, "Take a product off its shelf")
    desk.goto("/orders")
    look(desk, "Orders")
    click(desk, "Refund")
    look(desk, "Give an order's whole price back")
    desk.goto("/sales")
    look(desk, "Sales")
    desk.goto("/payouts")
    page.get_by_label("Amount").fill("1.00")
    click(desk, "Go on")
    look(desk, "Ask for a payout")
    desk.goto("/shelves")
    page.get_by_label("Least number").fill("1")
    page.get_by_label("Accept that a product").check()
    click(desk, "Show the plan")
    look(desk, "The plan with the least padding")
    (tmp_path / "winds.txt").write_text("Notes on winds.\n")
    desk.goto("/import")
    page.get_by_label("Folder on this machine").fill(str(tmp_path))
    page.get_by_label("Accept that a product").check()
    click(desk, "Show what would change")
    look(desk, "What the import changes")
    desk.goto("/codes")
    page.get_by_label("Codes, one a line").fill("three-3")
    look(desk, "Unique codes")
    click(desk, "Go on")
    look(desk, "Add codes")
    desk.goto("/reconcile")
    click(desk, "Compare now")
    expect(page.get_by_text("The books agree")).to_be_visible()
    look(desk, "Comparing the books")
    page.get_by_role("link", name="What was compared").click()
    look(desk, "Compare the books")


def test_the_brokers_inner_pages_are_accessible_silent_and_narrow(faces: ThreeFaces) -> None:
    desk = narrow(faces, "broker")
    page = desk.page
    desk.goto("/people")
    look(desk, "People")
    page.get_by_label("Username", exact=True).fill(BUYER)
    page.get_by_label("Amount").fill("3.00")
    click(desk, "Go on")
    look(desk, "Credit an account")
    desk.goto("/people")
    click(desk, "Lock")
    look(desk, "Lock an account out")
    desk.goto("/people")
    click(desk, "New password")
    look(desk, "Give an account a new password")
    page.locator("main input[name=name]").fill(BUYER)
    click(desk, "Make a new password")
    look(desk, "New password")
    click(desk, "It was passed on")
    desk.goto("/merchants")
    page.get_by_label("Address of the merchant").fill(faces.newcomer)
    click(desk, "Look at it")
    look(desk, "Admit a merchant")
    desk.goto("/merchants")
    click(desk, "Suspend")
    look(desk, "Suspend a merchant")
    desk.goto("/payouts")
    look(desk, "Payouts")
    click(desk, "Decline")
    look(desk, "Decline a payout")
    desk.goto("/payouts")
    click(desk, "I have paid it")
    look(desk, "Book a payout")
    desk.goto("/vouchers")
    page.get_by_label("Value of each").fill("20")
    click(desk, "Go on")
    look(desk, "Issue vouchers")
    click(desk, "Issue")
    look(desk, "New codes")
    click(desk, "I have written them down")
    look(desk, "Vouchers and invitations")
    click(desk, "Void")
    look(desk, "Void a batch of vouchers")
    desk.goto("/settings")
    page.get_by_label("All prices").fill("1.00 2.00 5.00 10.00")
    page.locator("form[action='/settings/points'] button").click()
    expect(page.locator("dl.facts")).to_be_visible()
    look(desk, page.locator("h1").inner_text())
    desk.goto("/settings")
    click(desk, "Retire")
    look(desk, page.locator("h1").inner_text())
    desk.goto("/audit")
    click(desk, "Run the audit")
    expect(page.get_by_text("The books are in order")).to_be_visible(timeout=60_000)
    look(desk, "Recomputing the books")
    page.get_by_role("link", name="What the audit found").click()
    look(desk, "Audit")


@pytest.mark.parametrize("role", ["merchant", "broker", "customer"])
def test_an_error_page_is_accessible_and_narrow(faces: ThreeFaces, role: str) -> None:
    watched = narrow(faces, role)
    assert watched.goto("/no/such/page") == 410
    watched.messages.clear()  # the browser reports the status
    look(watched, "That did not work")


@pytest.fixture
def plain(faces: ThreeFaces, chromium: Browser) -> Iterator[dict[str, Watched]]:
    """A fresh page of each desk in a browser of its own."""
    context = chromium.new_context()
    context.set_default_timeout(15_000)
    opened = {}
    for role in ("merchant", "broker"):
        origin = faces.origin(role)
        for cookie in faces.context.cookies(origin):
            name, value = cookie.get("name", ""), cookie.get("value", "")
            context.add_cookies([{"name": name, "value": value, "url": f"{origin}/"}])
        opened[role] = Watched(context.new_page(), origin)
    yield opened
    context.close()


def test_by_keyboard_alone_at_the_merchants_desk(plain: dict[str, Watched], tmp_path: Path) -> None:
    """A file is put on sale, renamed and taken off; a payout is asked for."""
    desk = plain["merchant"]
    name = f"tides-{secrets.token_hex(2)}.txt"
    (tmp_path / name).write_text("Tides of the year.\n")
    desk.goto("/goods")
    type_into(desk, "Or the path", str(tmp_path / name))
    tick(desk, "Accept that a product")
    press(desk, "Put on sale", key="Space")
    expect(desk.page.get_by_text("1 on sale")).to_be_visible(timeout=30_000)
    press(desk, "Goods")
    press(desk, name)
    type_into(desk, "Title", "Tides")
    press(desk, "Save")
    press(desk, "Tides")
    tick(desk, "Accept that another")
    press(desk, "Take it off its shelf")
    type_into(desk, "Type", "Tides")
    press(desk, "Take it off")
    expect(desk.page.get_by_role("link", name="Tides")).to_have_count(0)
    press(desk, "Payouts")
    type_into(desk, "Amount", "0.50")
    press(desk, "Go on")
    press(desk, "Ask")
    expect(desk.page.get_by_role("status")).to_contain_text("The operator was asked")
    desk.check()


def test_by_keyboard_alone_at_the_brokers_desk(plain: dict[str, Watched]) -> None:
    """Money is credited, vouchers are issued and voided, the books are audited."""
    desk = plain["broker"]
    page = desk.page
    desk.goto("/")
    press(desk, "People")
    type_into(desk, "Username", BUYER)
    type_into(desk, "Amount", "4.00")
    type_into(desk, "Reference", secrets.token_hex(8))
    press(desk, "Go on")
    press(desk, "Credit", key="Space")
    expect(page.get_by_role("row", name=BUYER)).to_be_visible()
    press(desk, "Vouchers")
    type_into(desk, "Value of each", "6")
    press(desk, "Go on")
    press(desk, "Issue")
    expect(page.get_by_role("heading", name="New codes")).to_be_visible()
    press(desk, "I have written them down")
    press(desk, "Void batch")
    batch = page.locator("main label bdi").inner_text()
    type_into(desk, "Type", batch)
    press(desk, "Void the batch")
    expect(page).to_have_url(re.compile("/vouchers$"))
    press(desk, "Audit")
    press(desk, "Run the audit")
    expect(page.get_by_text("The books are in order").first).to_be_visible(timeout=60_000)
    desk.check()
