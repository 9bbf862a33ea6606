"""SIGKILL of the merchant's face in the middle of an import: what is on sale is whole, and a second
import of the same folder adds the rest once.
"""

import re
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.support.real_market import RealMarket, run, serving
from tests.web.browser import running_face, watched_page
from tests.web.desk_pictures import desk_of

FILES = 200
KILLED_AFTER = 70
CONTENT = 200_000


def make_notes(folder: Path) -> None:
    folder.mkdir()
    for number in range(FILES):
        (folder / f"note-{number:03}.bin").write_bytes(number.to_bytes(2, "big") * (CONTENT // 2))


def names_on_sale(home: Path) -> list[str]:
    told = run(home, "merchant", "list", "--json")
    assert told.code == 0, told.err
    return sorted(re.findall(r'"title":\s*"(note-\d{3}\.bin)"', told.out))


def begin_import(page: Page, folder: Path) -> None:
    page.get_by_label("Folder on this machine").fill(str(folder))
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_role("button", name="Import").click()


def packed_so_far(page: Page) -> int:
    found = re.search(rf"(\d+) of {FILES} products", page.locator("#job").inner_text())
    return int(found[1]) if found else 0


def test_an_import_killed_in_its_middle_goes_on_and_adds_nothing_twice(
    tmp_path: Path, context: BrowserContext
) -> None:
    folder = tmp_path / "notes"
    make_notes(folder)
    with serving(tmp_path, "broker") as broker:
        done = run(tmp_path, "merchant", "init", "--broker", broker, "--yes")
        assert done.code == 0, done.err
    market = RealMarket(tmp_path, "", broker)
    with running_face(*desk_of(market, "merchant")) as face:
        watched = watched_page(context, face)
        watched.goto("/import")
        begin_import(watched.page, folder)
        while packed_so_far(watched.page) < KILLED_AFTER:
            watched.page.wait_for_timeout(10)
        face.kill()
    first = names_on_sale(tmp_path)
    assert len(first) == len(set(first)) and 0 < len(first) < FILES
    with running_face(*desk_of(market, "merchant")) as face:
        watched = watched_page(context, face)
        watched.goto("/import")
        begin_import(watched.page, folder)
        ended = f"{FILES - len(first)} new, 0 changed, {len(first)} as before, 0 removed"
        expect(watched.page.locator("#job")).to_contain_text(ended, timeout=120_000)
    assert names_on_sale(tmp_path) == [f"note-{number:03}.bin" for number in range(FILES)]
