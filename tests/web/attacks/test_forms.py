"""Forms of other pages: attacks from a real browser, each named; none succeeds."""

from pathlib import Path

import pytest

from tests.web.attacks.field import SECRET, SETTLE_MS, Field

FORM = """<form method="post" action="{origin}/deed"{more}>
<input name="nonce" value="{nonce}"></form><script>document.forms[0].submit()</script>"""


@pytest.mark.parametrize("name", ["evil.localhost", "localhost", "127.0.0.1"])
def test_a_form_posted_from_another_name(field: Field, name: str) -> None:
    page = field.evil_page(
        FORM.format(origin=field.face.origin, nonce=field.nonce(), more=""), name
    )
    assert SECRET not in page.content()


def test_a_form_posted_from_another_port_of_the_same_name(field: Field) -> None:
    name = field.face.origin.split("://")[1].split(":")[0]
    page = field.evil_page(
        FORM.format(origin=field.face.origin, nonce=field.nonce(), more=""), name
    )
    assert SECRET not in page.content()


def test_a_form_posted_as_text_plain(field: Field) -> None:
    more = ' enctype="text/plain"'
    field.evil_page(FORM.format(origin=field.face.origin, nonce=field.nonce(), more=more))


def test_a_form_posted_as_multipart(field: Field) -> None:
    more = ' enctype="multipart/form-data"'
    field.evil_page(FORM.format(origin=field.face.origin, nonce=field.nonce(), more=more))


def test_a_form_posted_into_a_new_window(field: Field) -> None:
    field.evil_page(
        FORM.format(origin=field.face.origin, nonce=field.nonce(), more=' target="_blank"')
    )


def test_a_form_posted_from_a_sandboxed_frame_whose_origin_is_null(field: Field) -> None:
    inner = FORM.format(origin=field.face.origin, nonce=field.nonce(), more="").replace('"', "'")
    field.evil_page(f'<iframe sandbox="allow-scripts allow-forms" srcdoc="{inner}"></iframe>')


def test_a_form_posted_from_a_data_address(field: Field) -> None:
    inner = FORM.format(origin=field.face.origin, nonce=field.nonce(), more="").replace('"', "'")
    field.evil_page(f'<iframe src="data:text/html,{inner}"></iframe>')


def test_a_form_posted_without_a_referrer(field: Field) -> None:
    html = '<meta name="referrer" content="no-referrer">'
    field.evil_page(html + FORM.format(origin=field.face.origin, nonce=field.nonce(), more=""))


def test_a_form_posted_from_a_file(field: Field, tmp_path: Path) -> None:
    file = tmp_path / "evil.html"
    file.write_text(FORM.format(origin=field.face.origin, nonce=field.nonce(), more=""))
    page = field.context.new_page()
    page.goto(file.as_uri())
    page.wait_for_timeout(SETTLE_MS)
    assert SECRET not in page.content()


def test_a_form_that_says_get(field: Field) -> None:
    html = f'<form method="get" action="{field.face.origin}/deed"><input name="nonce" '
    html += f'value="{field.nonce()}"></form><script>document.forms[0].submit()</script>'
    page = field.evil_page(html)
    assert SECRET not in page.content()
