"""Names, tickets and sessions: attacks from a real browser, each named; none succeeds."""

import socket

import pytest
from playwright.sync_api import Browser

from tests.web.attacks.field import Field
from tests.web.browser import (
    Face,
)


def test_dns_rebinding_reaches_no_page(face: Face, field: Field) -> None:
    """The attacker's name resolves to this machine, and its page uses the face's own port."""
    port = int(face.origin.rsplit(":", 1)[1])
    browser = field.another_browser(f"--host-resolver-rules=MAP rebound.test 127.0.0.1:{port}")
    page = browser.new_page()
    answer = page.goto(f"http://rebound.test:{port}/")
    assert answer is not None and answer.status == 403
    assert "veilmart" not in page.content()
    browser.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "other.localhost"])
def test_the_port_under_another_name_tells_nothing(field: Field, host: str) -> None:
    port = field.face.origin.rsplit(":", 1)[1]
    page = field.context.new_page()
    answer = page.goto(f"http://{host}:{port}/")
    assert answer is not None and answer.status == 403
    assert page.inner_text("body") == "Refused."


def test_a_request_with_two_hosts_or_none_is_refused(field: Field) -> None:
    name, port = field.face.origin.split("://")[1].split(":")
    for hosts in ([], [f"{name}:{port}", "evil.test"], [f"{name}:{port}", f"{name}:{port}"]):
        head = "".join(f"Host: {host}\r\n" for host in hosts)
        answer = _raw(int(port), f"GET / HTTP/1.1\r\n{head}Connection: close\r\n\r\n")
        assert answer.split(b" ")[1] in (b"400", b"403")
        assert b"veilmart" not in answer


def test_an_absolute_address_in_the_request_line_is_refused(field: Field) -> None:
    port = int(field.face.origin.rsplit(":", 1)[1])
    answer = _raw(
        port, f"GET {field.face.origin}/ HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n"
    )
    assert answer.split(b" ")[1] in (b"400", b"403")


def _raw(port: int, request: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request.encode())
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_a_stolen_ticket_is_worth_nothing_once_it_was_used(field: Field, chromium: Browser) -> None:
    thief = chromium.new_context()
    page = thief.new_page()
    answer = page.goto(f"{field.face.origin}/enter?ticket={field.face.ticket}")
    assert answer is not None and answer.status == 403
    assert thief.cookies() == []
    thief.close()


def test_a_guessed_ticket_and_a_guessed_cookie_open_nothing(
    field: Field, chromium: Browser
) -> None:
    thief = chromium.new_context()
    port = field.face.origin.rsplit(":", 1)[1]
    for secret in ("", "a" * 43, "../../x"):
        thief.add_cookies(
            [{"name": f"veilmart-{port}", "value": secret, "url": f"{field.face.origin}/"}]
        )
        page = thief.new_page()
        for path in ("/", f"/enter?ticket={secret}"):
            answer = page.goto(f"{field.face.origin}{path}")
            assert answer is not None and answer.status == 403
        page.close()
    thief.close()


def test_a_cookie_planted_by_another_port_opens_nothing(field: Field) -> None:
    port = field.face.origin.rsplit(":", 1)[1]
    field.evil_page(f"<script>document.cookie = 'veilmart-{port}=evil; path=/'</script>")
    name = field.face.origin.split("://")[1].split(":")[0]
    field.evil_page(
        f"<script>document.cookie = 'veilmart-{port}=evil; domain=localhost; path=/'</script>", name
    )
    assert field.person.goto("/") == 200


def test_scripts_cannot_read_the_cookie_and_storage_holds_nothing(field: Field) -> None:
    assert field.person.page.evaluate("document.cookie") == ""
    kept = "JSON.stringify([Object.keys(localStorage), Object.keys(sessionStorage)])"
    assert field.person.page.evaluate(kept) == "[[],[]]"


def test_a_form_sent_twice_does_one_deed(field: Field) -> None:
    before = int(field.person.page.inner_text("#deeds"))
    nonce = field.nonce()
    script = """async nonce => {
      const body = new URLSearchParams({nonce});
      await Promise.all([1, 2, 3].map(() => fetch("/deed", {method: "POST", body})));
    }"""
    field.person.page.evaluate(script, nonce)
    assert int(field.deeds()) == before + 1
    field.person.page.evaluate(script, nonce)
    assert int(field.deeds()) == before + 1
    field.deeds = lambda: str(before)  # type: ignore[method-assign]


def test_another_session_cannot_confirm_with_a_nonce_that_was_invented(field: Field) -> None:
    status = field.person.page.evaluate(
        """async () => (await fetch("/deed", {method: "POST",
        body: new URLSearchParams({nonce: "invented"})})).status"""
    )
    assert status == 410
