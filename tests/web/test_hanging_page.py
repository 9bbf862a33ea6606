"""A page that hangs fails its test instead of the whole run."""

import threading

import pytest
from playwright.sync_api import Error, sync_playwright

from tests.web.browser import kill_browsers, launch


@pytest.mark.chromium
@pytest.mark.parametrize("whole", [False, True])
def test_a_script_that_never_ends_fails_once_browsers_are_killed(whole: bool) -> None:
    with sync_playwright() as playwright:
        page = launch(playwright, whole=whole).new_page()
        timer = threading.Timer(1, kill_browsers)
        timer.start()
        with pytest.raises(Error):
            page.evaluate("new Promise(() => {})")
        timer.join()
