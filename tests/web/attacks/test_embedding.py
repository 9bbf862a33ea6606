"""Pictures, links, frames and windows: attacks from a real browser, each named; none succeeds."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Error

from tests.web.attacks.field import SECRET, SETTLE_MS, Field


@pytest.mark.parametrize("tag", ["img", "script", "link", "video", "object", "embed"])
def test_a_page_of_another_name_embeds(field: Field, tag: str) -> None:
    address = f"{field.face.origin}/text?text=1"
    markup = {
        "img": f'<img src="{address}" onload="document.title=\'loaded\'">',
        "script": f'<script src="{address}" onload="document.title=\'loaded\'"></script>',
        "link": f'<link rel="stylesheet" href="{field.face.origin}/assets/pico.css" '
        "onload=\"document.title='loaded'\">",
        "video": f'<video src="{address}" onloadeddata="document.title=\'loaded\'"></video>',
        "object": f'<object data="{address}" onload="document.title=\'loaded\'"></object>',
        "embed": f'<embed src="{address}">',
    }[tag]
    page = field.evil_page(markup)
    assert page.title() != "loaded"
    for frame in page.frames[1:]:
        assert SECRET not in _content(frame.content)


def test_a_page_of_another_name_frames_the_face(field: Field) -> None:
    page = field.evil_page(f'<iframe src="{field.face.origin}/" width="600"></iframe>')
    assert len(page.frames) == 2
    assert SECRET not in _content(page.frames[1].content)


def test_a_link_of_another_name_opens_no_page_with_a_session(field: Field) -> None:
    page = field.evil_page(f'<a href="{field.face.origin}/">win a prize</a>')
    page.get_by_text("win a prize").click()
    page.wait_for_timeout(SETTLE_MS)
    assert SECRET not in page.content()


def test_a_window_opened_by_another_name_is_out_of_reach(field: Field) -> None:
    page = field.evil_page(
        f"""<script>const other = open("{field.face.origin}/");
        setTimeout(() => {{ try {{ document.title = other.document.body.innerText }}
        catch (error) {{ document.title = "blocked" }} }}, 300)</script>"""
    )
    page.wait_for_timeout(SETTLE_MS)
    assert SECRET not in page.title()


def test_a_redirect_of_another_name_opens_no_page_with_a_session(field: Field) -> None:
    page = field.evil_page(f'<meta http-equiv="refresh" content="0; url={field.face.origin}/">')
    page.wait_for_timeout(SETTLE_MS)
    assert SECRET not in page.content()


def test_an_address_leads_nowhere_else(field: Field) -> None:
    """No open redirect: an address of the face never ends at another one."""
    evil = field.attacker.origin("evil.localhost")
    for path in (f"//evil.localhost:{field.attacker.port}/", f"/go?to={evil}", f"/enter?to={evil}"):
        field.person.page.goto(f"{field.face.origin}{path}")
        assert field.person.page.url.startswith(field.face.origin)


def _content(read: Callable[[], str]) -> str:
    try:
        return read()
    except Error:
        return ""  # the browser shows an error page of its own
