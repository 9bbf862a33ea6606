"""What all faces share, in a real browser."""

import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.web.browser import Face, Watched, running_face, watched_page


@pytest.fixture
def face(tmp_path: Path) -> Iterator[Face]:
    with running_face(str(tmp_path / "home"), module="tests.web.sample_face") as found:
        yield found


def test_the_redirect_file_is_for_its_owner_only_and_the_process_list_tells_no_secret(
    face: Face,
) -> None:
    assert stat.S_IMODE(face.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(face.file.parent.stat().st_mode) == 0o700
    command = Path(f"/proc/{face.process.pid}/cmdline").read_bytes()
    assert face.ticket.encode() not in command


def test_the_redirect_file_leads_in_and_the_cookie_is_strict(
    face: Face, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    expect(watched.page.get_by_role("heading", name="Sample")).to_be_visible()
    (cookie,) = context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["expires"] == -1
    assert cookie["domain"].endswith(".localhost") and not cookie["domain"].startswith(".")
    watched.check()


@pytest.mark.parametrize("width", [320, 1100])
def test_pages_are_accessible_silent_and_narrow_enough(
    face: Face, chromium: Browser, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 700})
    watched = watched_page(context, face)
    watched.check_in_both_colours()
    watched.page.get_by_role("button", name="Do it").focus()
    watched.check_in_both_colours()
    watched.goto("/text?text=%3Cb%3Ehello")
    watched.check_in_both_colours()
    context.close()


def test_a_long_step_of_a_running_job_fits_into_a_narrow_window(
    face: Face, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    watched.page.set_viewport_size({"width": 320, "height": 640})
    watched.page.evaluate(
        """() => {
            const step = document.createElement("p");
            step.setAttribute("aria-busy", "true");
            step.textContent = "Fetching a piece of the goods ".repeat(5);
            document.querySelector("main").append(step);
        }"""
    )
    assert not watched.wider_than_its_window()


def test_a_job_is_shown_as_it_goes_and_survives_a_reload(
    face: Face, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    watched.page.get_by_role("button", name="Work").click()
    expect(watched.page.get_by_text(re.compile(r"Counting \d"))).to_be_visible()
    watched.page.reload()
    expect(watched.page.get_by_text("left")).to_be_visible()
    expect(watched.page.get_by_text("Done.")).to_be_visible()
    watched.page.get_by_role("link", name="Back").click()
    expect(watched.page.get_by_role("heading", name="Sample")).to_be_visible()
    watched.check()


def test_a_job_is_shown_without_scripts(face: Face, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    watched = watched_page(context, face)
    watched.page.get_by_role("button", name="Work").click()
    expect(watched.page.get_by_text("Done.")).to_be_visible(timeout=15_000)
    assert watched.messages == [] and watched.foreign == []
    context.close()


def test_a_double_click_does_the_deed_once(face: Face, context: BrowserContext) -> None:
    watched = watched_page(context, face)
    watched.page.get_by_role("button", name="Do it").dblclick()
    expect(watched.page.locator("#deeds")).to_have_text("1")


def test_the_same_form_sent_again_does_nothing(face: Face, context: BrowserContext) -> None:
    watched = watched_page(context, face)
    watched.page.evaluate(
        """async () => {
          const form = document.querySelector("[action='/deed']");
          const body = new URLSearchParams(new FormData(form));
          for (let i = 0; i < 3; i++) await fetch("/deed", {method: "POST", body});
        }"""
    )
    watched.page.reload()
    expect(watched.page.locator("#deeds")).to_have_text("1")


def test_locked_by_hand_shows_nothing_until_the_passphrase(
    face: Face, context: BrowserContext
) -> None:
    watched = watched_page(context, face)
    watched.page.get_by_role("button", name="Lock").click()
    expect(watched.page.get_by_role("heading", name="Locked")).to_be_visible()
    assert watched.goto("/text?text=hidden") == 403
    assert "hidden" not in watched.page.content()
    assert watched.violations() == []
    watched.page.get_by_label("Passphrase").fill("wrong")
    watched.page.get_by_role("button", name="Unlock").click()
    expect(watched.page.get_by_role("alert")).to_contain_text("not the passphrase")
    watched.page.get_by_label("Passphrase").fill("right")
    watched.page.get_by_role("button", name="Unlock").click()
    expect(watched.page.get_by_role("heading", name="Sample")).to_be_visible()


def test_stopping_ends_an_open_event_stream_at_once(face: Face, context: BrowserContext) -> None:
    watched = watched_page(context, face)
    watched.goto("/long-work")
    expect(watched.page.get_by_text(re.compile(r"Counting \d"))).to_be_visible()
    before = time.monotonic()
    face.process.send_signal(signal.SIGTERM)
    assert face.process.wait(timeout=60) == 0
    assert time.monotonic() - before < 20, "it waited for the stream"
    assert not face.file.exists()


def test_every_answer_carries_the_headers(face: Face, context: BrowserContext) -> None:
    watched = watched_page(context, face)
    for path in ("/", "/text", "/nowhere", "/assets/pico.css", "/enter?ticket=x"):
        response = watched.page.goto(f"{face.origin}{path}")
        assert response is not None
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "same-origin"
        assert "server" not in response.headers


def test_hostile_text_stays_text(face: Face, context: BrowserContext) -> None:
    watched = watched_page(context, face)
    text = (
        "\"'><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    )
    watched.page.evaluate("text => { location = '/text?text=' + encodeURIComponent(text) }", text)
    expect(watched.page.locator("#text")).to_have_text(text)
    assert watched.page.title() == "veilmart sample"
    watched.check()


def test_the_process_survives_a_closed_browser(face: Face, chromium: Browser) -> None:
    context = chromium.new_context()
    watched = Watched(context.new_page(), face.origin)
    watched.enter(face)
    watched.page.get_by_role("button", name="Work").click()
    context.close()
    time.sleep(0.3)
    os.kill(face.process.pid, 0)
    assert face.process.poll() is None
