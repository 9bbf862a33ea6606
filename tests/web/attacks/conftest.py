"""The face is the sample: its form counts deeds.

What must never happen is a deed that its person did not do, a word of its pages in a stranger's
hands, or a session for somebody else. The attacks begin when the person is in, in the same browser
profile, so that the cookie is there to be abused.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.web.attacker import Attacker, attacking
from tests.web.attacks.field import Field
from tests.web.browser import Face, Watched, running_browser, running_face, watched_page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The whole browser, with what it has against attacks."""
    with running_browser(whole=True) as browser:
        yield browser


@pytest.fixture(scope="module")
def attacker() -> Iterator[Attacker]:
    with attacking() as running:
        yield running


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    home = tmp_path_factory.mktemp("face") / "home"
    with running_face(str(home), module="tests.web.sample_face") as running:
        yield running


@pytest.fixture(scope="module")
def profile(chromium: Browser, face: Face) -> Iterator[tuple[BrowserContext, Watched]]:
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    yield context, watched_page(context, face)
    context.close()


@pytest.fixture
def field(
    profile: tuple[BrowserContext, Watched], face: Face, attacker: Attacker
) -> Iterator[Field]:
    context, person = profile
    person.goto("/")
    before = person.page.inner_text("#deeds")
    found = Field(context, person, face, attacker)
    yield found
    for page in context.pages:
        if page is not person.page:
            page.close()
    assert found.deeds() == before, "The attacker's deed was done."
