import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.web.browser import kill_browsers, running_browser

HANGS_SECONDS = 300
"""The longest test takes 125 beside eight busy processes."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ended with its module."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own."""
    fresh = chromium.new_context(viewport={"width": 1100, "height": 800})
    fresh.set_default_timeout(15_000)
    yield fresh
    fresh.close()


@pytest.fixture(autouse=True)
def browsers_that_hang_are_killed() -> Iterator[None]:
    """Playwright waits for a script of a page without limit."""
    timer = threading.Timer(HANGS_SECONDS, kill_browsers)
    timer.daemon = True
    timer.start()
    yield
    timer.cancel()
