"""A real browser, and pages that are watched for what they must not do.

Debian's Chromium is driven by Playwright. Without it these tests fail; they are never skipped.
Where its headless shell is installed, pages are walked in that: the same engine without a browser's
own surface, for half the processor time. Attacks are tried in the whole browser, which people use.
"""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.support.programs import Program, environment

CHROMIUM = "/usr/bin/chromium"
HEADLESS_SHELL = "/usr/bin/chromium-headless-shell"
PROGRAMS = b"/usr/lib/chromium/"  # what both of them start
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions")
AXE = Path(__file__).parent / "axe" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOUR_RULES = ("color-contrast", "link-in-text-block")
VIOLATIONS = """async only => {
  const found = await axe.run(document, {runOnly: only, resultTypes: ["violations"]});
  return found.violations.flatMap(violation => violation.nodes.map(node =>
    `${violation.id}: ${node.html.slice(0, 160)} (${(node.failureSummary || "").slice(0, 300)})`));
}"""  # told by the page: what it passed is long, and nobody reads it
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running_browser(*, whole: bool = False) -> Iterator[Browser]:
    """Playwright holds an event loop: no other test can run one until the block is left."""
    with sync_playwright() as playwright:
        browser = launch(playwright, whole=whole)
        yield browser
        browser.close()


def launch(playwright: Playwright, *, whole: bool = False) -> Browser:
    """Chromium, headless. whole: not its headless shell."""
    shell = Path(HEADLESS_SHELL).exists() and not whole
    executable = HEADLESS_SHELL if shell else CHROMIUM
    return playwright.chromium.launch(executable_path=executable, headless=True, args=FLAGS)


def kill_browsers() -> None:
    """Every Chromium below this process: what waits for one of them fails at once."""
    parents = [os.getpid()]
    while parents:
        for listed in Path(f"/proc/{parents.pop()}/task").glob("*/children"):
            for pid in map(int, listed.read_text().split()):
                parents.append(pid)
                with suppress(OSError):  # it has ended
                    if PROGRAMS in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)


@dataclass
class Face:
    """A running `... web` process. origin: as the browser writes it; file: its way in."""

    process: Program
    origin: str
    file: Path
    ticket: str

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(15)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(15)


@contextmanager
def running_face(*words: str, module: str = "veilmart") -> Iterator[Face]:
    """`words` must have --json and --no-open; ended at the end if it still runs."""
    process = Program(*words, env=environment(), module=module, cwd=ROOT, piped=True)
    assert process.stdout is not None
    try:
        yield read_way_in(process)
    finally:
        process.stop(15)
        process.stdout.close()


def read_way_in(process: Program) -> Face:
    """The first line of a face's output, as a Face."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"The face ended with {process.wait(5)}."
    told = json.loads(line)
    file = Path(told["file"])
    found = re.search(r"ticket=([\w-]+)", file.read_text())
    assert found is not None
    return Face(process, told["origin"], file, found[1])


@dataclass
class Watched:
    """A page, and what it did that it must not: console messages, errors, foreign requests."""

    page: Page
    origin: str
    messages: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self._look(request.url))

    def _look(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("data", "file", "about"):
            return
        if f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.foreign.append(url)

    def enter(self, face: Face) -> None:
        """Through the redirect file, as the person's browser does."""
        self.page.goto(face.file.as_uri())
        self.page.wait_for_url(f"{face.origin}/**", wait_until="load")
        self.page.wait_for_url(lambda url: "/enter" not in url, wait_until="load")

    def goto(self, path: str) -> int:
        """Open a path of the face; returns the status."""
        response = self.page.goto(f"{self.origin}{path}")
        assert response is not None
        return response.status

    def violations(self, *rules: str) -> list[str]:
        """What axe-core finds on the page as it is now, by these rules or WCAG 2.2 A and AA."""
        if not self.page.evaluate("'axe' in window"):  # half a megabyte, once a page
            self._put_axe_into_the_page()
        only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": WCAG}
        return list(self.page.evaluate(VIOLATIONS, only))

    def _put_axe_into_the_page(self) -> None:
        """By the protocol itself: Playwright would read the half megabyte as a program first."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Runtime.evaluate", {"expression": AXE.read_text()})
        session.detach()

    def wider_than_its_window(self) -> bool:
        """Whether the page has to be scrolled sideways."""
        return bool(
            self.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )

    def check(self) -> None:
        """The page is accessible, silent, keeps to its origin and to its width."""
        assert self.violations() == []
        assert self.messages == []
        assert self.foreign == []
        assert not self.wider_than_its_window()

    def check_in_both_colours(self) -> None:
        """`check` on a light page, and the rules on colours again on a dark one.

        Without motion: a colour on its way to another one is neither of them.
        """
        self.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        assert self.violations(*COLOUR_RULES) == []
        assert not self.wider_than_its_window()
        self.page.emulate_media(color_scheme="light", reduced_motion="reduce")
        self.check()


def watched_page(context: BrowserContext, face: Face) -> Watched:
    """A fresh page that has entered the face."""
    watched = Watched(context.new_page(), face.origin)
    watched.enter(face)
    return watched
