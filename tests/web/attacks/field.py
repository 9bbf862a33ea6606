"""The field of an attack: a face, its person in a browser, and the attacker in another tab."""

from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Page

from tests.web.attacker import Attacker
from tests.web.browser import CHROMIUM, FLAGS, Face, Watched

SECRET = "Deeds: "
SETTLE_MS = 400


@dataclass
class Field:
    """A person's page that is open, and the attacker beside it in the same browser."""

    context: BrowserContext
    person: Watched
    face: Face
    attacker: Attacker

    def nonce(self) -> str:
        """The nonce that the person's page carries now: a strong attacker has guessed it."""
        value = self.person.page.locator("input[name=nonce]").first.get_attribute("value")
        assert value is not None
        return value

    def evil_page(self, html: str, name: str = "evil.localhost") -> Page:
        """The person opens the attacker's page in another tab."""
        path = f"/{len(self.attacker.pages)}"
        self.attacker.pages[path] = html
        page = self.context.new_page()
        page.goto(f"{self.attacker.origin(name)}{path}")
        page.wait_for_timeout(SETTLE_MS)
        return page

    def another_browser(self, *flags: str) -> Browser:
        """Chromium once more, with flags of its own."""
        browser = self.context.browser
        assert browser is not None
        return browser.browser_type.launch(
            executable_path=CHROMIUM, headless=True, args=[*FLAGS, *flags]
        )

    def deeds(self) -> str:
        self.person.goto("/")
        return self.person.page.inner_text("#deeds")
