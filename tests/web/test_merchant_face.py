"""The merchant's face in a real browser against the real broker and merchant."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support.real_market import RealMarket, run
from tests.support.waiting import wait_until
from tests.web.browser import Face, running_face, watched_page
from tests.web.seeded_market import draw_cover, seeded_market
from veilmart.merchant.web.plan import MENU

PAGES = tuple(entry.href for entry in MENU)
PART = 8 * 1024 * 1024
CHANGED = 1_790_000_000  # when the file was changed last, Unix seconds


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with seeded_market(tmp_path_factory.mktemp("market")) as running:
        yield running


def face_of(market: RealMarket) -> list[str]:
    where = ("--home", str(market.home / "merchant"))
    return ["merchant", "web", *where, "--json", "--no-open"]


@pytest.fixture
def face(market: RealMarket) -> Iterator[Face]:
    with running_face(*face_of(market)) as running:
        yield running


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


def test_a_killed_face_goes_on_with_an_upload_where_it_stopped(
    market: RealMarket, context: BrowserContext, tmp_path: Path
) -> None:
    content = bytes(range(256)) * (3 * PART // 256)
    file = tmp_path / "stars.bin"
    file.write_bytes(content)
    os.utime(file, (CHANGED, CHANGED))
    with running_face(*face_of(market)) as face:
        watched = watched_page(context, face)
        watched.goto("/goods")
        watched.page.evaluate(
            """async ([part, changed]) => {
                const form = new URLSearchParams(
                    {name: "stars.bin", size: String(3 * part), changed: String(changed)});
                const state = await (await fetch("/uploads", {method: "POST", body: form})).json();
                const bytes = new Uint8Array(part).map((_, i) => i % 256);
                await fetch(`/uploads/${state.upload}?offset=0`, {method: "PUT", body: bytes});
            }""",
            [PART, CHANGED * 1000],
        )
        face.kill()
    sent = []
    with running_face(*face_of(market)) as face:
        watched = watched_page(context, face)
        watched.page.on("request", lambda r: sent.append(r.url) if r.method == "PUT" else None)
        watched.goto("/goods")
        watched.page.set_input_files("[data-files]", [str(file)])
        watched.page.wait_for_selector("input[name=upload]")
        assert [int(url.rpartition("=")[2]) for url in sent] == [PART, 2 * PART]
        watched.page.select_option("select[name=price]", "5.00")
        watched.page.check("form[action='/goods/add'] input[name=alone]")
        watched.page.click("form[action='/goods/add'] button")
        expect(watched.page.locator("main")).to_contain_text("on sale at 5.00", timeout=60_000)
    uploads = market.home / "merchant/uploads"
    assert list(uploads.glob("*")) == []


@pytest.mark.parametrize("offset", ["1", "-1", "x", "", "99999999999999999999"])
def test_a_part_at_another_offset_is_refused(
    face: Face, context: BrowserContext, offset: str
) -> None:
    watched = watched_page(context, face)
    status = watched.page.evaluate(
        """async offset => {
            const form = new URLSearchParams({name: "a.bin", size: "1000"});
            const state = await (await fetch("/uploads", {method: "POST", body: form})).json();
            const address = `/uploads/${state.upload}?offset=${offset}`;
            return (await fetch(address, {method: "PUT", body: "0123456789"})).status;
        }""",
        offset,
    )
    assert 400 <= status < 500


def test_a_part_larger_than_the_file_is_refused(face: Face, context: BrowserContext) -> None:
    watched = watched_page(context, face)
    status = watched.page.evaluate(
        """async () => {
            const form = new URLSearchParams({name: "small.bin", size: "5"});
            const state = await (await fetch("/uploads", {method: "POST", body: form})).json();
            const address = `/uploads/${state.upload}?offset=0`;
            return (await fetch(address, {method: "PUT", body: "0123456789"})).status;
        }"""
    )
    assert 400 <= status < 500


def test_goods_are_added_changed_and_taken_off_without_scripts(
    chromium: Browser, face: Face, market: RealMarket, tmp_path: Path
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(face.file.as_uri())
    page.wait_for_url(f"{face.origin}/")
    (tmp_path / "moon.txt").write_text("Full moons of 2027.\n")
    page.goto(f"{face.origin}/goods")
    page.fill("input[name=path]", str(tmp_path / "moon.txt"))
    page.select_option("select[name=price]", "1.00")
    page.click("form[action='/goods/add'] button")
    page.goto(f"{face.origin}/goods")
    for _ in range(100):
        if page.locator("text=moon.txt").count():
            break
        page.wait_for_timeout(100)
        page.reload()
    page.click("text=moon.txt")
    page.fill("input[name=title]", "Moons")
    page.click("text=Save")
    expect(page.locator("tbody")).to_contain_text("Moons")
    page.click("text=Moons")
    page.click("form[action$='/remove'] button")
    page.fill("input[name=name]", "Moons")
    page.click("main button[type=submit]")
    expect(page.locator("tbody")).not_to_contain_text("Moons")
    context.close()


def test_cover_and_sample_of_a_product_are_set_and_removed(
    face: Face, context: BrowserContext, tmp_path: Path
) -> None:
    draw_cover("A new cover", 3).save(tmp_path / "cover.png")
    (tmp_path / "first lines.txt").write_text("The first lines.\n")
    watched = watched_page(context, face)
    page = watched.page
    watched.goto("/goods")
    page.locator("tbody a").first.click()
    page.get_by_label("Path of a picture").fill(str(tmp_path / "cover.png"))
    page.get_by_label("Path of a sample").fill(str(tmp_path / "first lines.txt"))
    page.get_by_role("button", name="Save cover and sample").click()
    cover = page.get_by_role("img", name="The cover")
    assert cover.evaluate("image => image.naturalWidth") == 480
    expect(page.get_by_text("first lines.txt")).to_be_visible()
    watched.check()
    page.get_by_label("Remove the sample").check()
    page.get_by_label("Path of a picture").fill(str(tmp_path / "first lines.txt"))
    page.get_by_role("button", name="Save cover and sample").click()
    expect(page.get_by_role("alert")).to_contain_text("not a picture")
    expect(page.get_by_text("first lines.txt (")).to_be_visible()  # nothing was changed
    watched.messages.clear()  # the browser reports the status of the refusal
    page.get_by_label("Remove the sample").check()
    page.get_by_role("button", name="Save cover and sample").click()
    expect(page.get_by_text("There is no sample yet")).to_be_visible()
    expect(cover).to_be_visible()


def test_an_import_shows_what_it_changes_before_it_does(
    face: Face, market: RealMarket, context: BrowserContext, tmp_path: Path
) -> None:
    for name in ("sun", "wind", "rain"):
        (tmp_path / f"{name}.txt").write_text(f"Notes on {name}.\n")
    before = run(market.home, "merchant", "list", "--json").out
    watched = watched_page(context, face)
    watched.goto("/import")
    watched.page.fill("input[name=folder]", str(tmp_path))
    watched.page.select_option("select[name=price]", "10.00")
    watched.page.fill("input[name=k]", "3")
    watched.page.click("main button")
    expect(watched.page.locator("dl.facts")).to_contain_text("wind.txt")
    watched.check()
    assert run(market.home, "merchant", "list", "--json").out == before
    watched.page.click("main button[type=submit]")
    expect(watched.page.locator("main")).to_contain_text("3 new", timeout=60_000)


def test_the_link_page_names_the_shop(
    face: Face, market: RealMarket, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    watched.goto("/link")
    assert watched.page.locator("p code").inner_text() == market.link
    assert market.link in watched.page.locator("textarea").input_value()


def test_the_line_about_the_shop_is_in_the_brokers_list(
    face: Face, market: RealMarket, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    watched.goto("/link")
    line = "Charts & tables, <i>made from facts</i>"
    watched.page.fill("input[name=about]", line)
    watched.page.click("form[action='/about'] button")
    expect(watched.page.locator("input[name=about]")).to_have_value(line)
    watched.check()
    (market.home / "reader").mkdir(exist_ok=True)
    assert run(market.home / "reader", "customer", "join", market.link).code == 0

    def shown() -> bool:
        done = run(market.home / "reader", "customer", "merchants", "--json")
        return line in [entry["about"] for entry in json.loads(done.out)["merchants"]]

    wait_until(shown)
    watched.page.fill("input[name=about]", "A line\u202e")
    watched.page.click("form[action='/about'] button")
    expect(watched.page.locator("main")).to_contain_text("Give one line of at most 300 bytes")


def test_books_are_compared_as_a_job(face: Face, context: BrowserContext) -> None:
    watched = watched_page(context, face)
    watched.goto("/reconcile")
    watched.page.click("main button")
    expect(watched.page.locator("main")).to_contain_text("The books agree", timeout=60_000)
    watched.page.click("text=What was compared")
    expect(watched.page).to_have_url(re.compile("/reconcile$"))
    watched.check()
