"""Scripts of other pages: attacks from a real browser, each named; none succeeds."""

import pytest

from tests.web.attacks.field import SECRET, Field

FETCH = """<script>(async () => {{
  try {{
    const answer = await fetch("{origin}{path}", {options});
    document.title = answer.type + " " + await answer.text();
  }} catch (error) {{ document.title = "blocked"; }}
}})()</script>"""


def fetched(field: Field, options: str, path: str = "/deed", name: str = "evil.localhost") -> str:
    """What the attacker's script could read."""
    page = field.evil_page(FETCH.format(origin=field.face.origin, path=path, options=options), name)
    page.wait_for_function("document.title !== ''")
    title = page.title()
    assert SECRET not in title
    return title


@pytest.mark.parametrize(
    "options",
    [
        '{method: "POST", mode: "no-cors", CRED, body: new URLSearchParams({nonce: "NONCE"})}',
        '{method: "POST", mode: "cors", CRED, body: new URLSearchParams({nonce: "NONCE"})}',
        '{method: "POST", CRED, headers: {"hx-request": "true"}, body: "nonce=NONCE"}',
        '{method: "PUT", CRED, body: "nonce=NONCE"}',
        '{method: "DELETE", CRED, body: "nonce=NONCE"}',
        '{method: "POST", mode: "no-cors", CRED, keepalive: true, body: "nonce=NONCE"}',
    ],
    ids=["no-cors", "cors", "htmx-header", "put", "delete", "keepalive"],
)
def test_a_script_of_another_name_sends(field: Field, options: str) -> None:
    filled = options.replace("CRED", 'credentials: "include"').replace("NONCE", field.nonce())
    title = fetched(field, filled)
    assert title == "blocked" or title.strip() == "opaque"


def test_a_script_of_another_name_reads(field: Field) -> None:
    for options in ('{credentials: "include"}', '{mode: "no-cors", credentials: "include"}'):
        assert fetched(field, options, "/") in ("blocked", "opaque ")


def test_a_script_on_another_port_of_the_same_name_reads_and_sends(field: Field) -> None:
    name = field.face.origin.split("://")[1].split(":")[0]
    read = '{mode: "no-cors", credentials: "include"}'
    assert fetched(field, read, "/", name) in ("blocked", "opaque ")
    send = '{method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({'
    assert fetched(field, f'{send}nonce: "{field.nonce()}"}})}}', "/deed", name) in (
        "blocked",
        "opaque ",
    )


def test_a_beacon_of_another_name(field: Field) -> None:
    body = f'new URLSearchParams({{nonce: "{field.nonce()}"}})'
    field.evil_page(f'<script>navigator.sendBeacon("{field.face.origin}/deed", {body})</script>')


def test_a_script_listens_to_the_stream_of_a_job(field: Field) -> None:
    with field.person.page.expect_navigation():
        field.person.page.get_by_role("button", name="Work").click()
    job = field.person.page.url.removeprefix(field.face.origin)
    html = f"""<script>const source = new EventSource("{field.face.origin}{job}/stream",
    {{withCredentials: true}}); source.onmessage = event => {{ document.title = event.data }};
    </script>"""
    page = field.evil_page(html)
    assert "Counting" not in page.title()


def test_a_websocket_of_another_name(field: Field) -> None:
    address = field.face.origin.replace("http", "ws")
    page = field.evil_page(
        f"""<script>const socket = new WebSocket("{address}/");
        socket.onopen = () => document.title = "open";
        socket.onerror = () => document.title = "refused"</script>"""
    )
    page.wait_for_function("document.title !== ''")
    assert page.title() == "refused"
