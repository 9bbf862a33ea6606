"""What a page lets be done to itself: attacks from a real browser, each named; none succeeds."""

from playwright.sync_api import expect

from tests.web.attacks.field import SETTLE_MS, Field


def test_markup_in_an_address_is_text(field: Field) -> None:
    page = field.person.page
    page.goto(f"{field.face.origin}/text?text=%3Cscript%3Edocument.title%3D%27x%27%3C%2Fscript%3E")
    assert page.title() == "veilmart sample"
    expect(page.locator("#text")).to_have_text("<script>document.title='x'</script>")


def test_inline_scripts_styles_and_foreign_sources_do_not_run(field: Field) -> None:
    page = field.person.page
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "document.title = 'inline'";
          document.head.append(script);
          const image = new Image();
          image.src = "http://evil.localhost/leak";
          document.body.append(image);
          document.body.insertAdjacentHTML("beforeend", '<img src=x onerror="document.title=1">');
          document.body.insertAdjacentHTML("beforeend", '<form action="http://evil.localhost/">');
          document.forms[document.forms.length - 1].submit();
        }"""
    )
    page.wait_for_timeout(SETTLE_MS)
    assert "<title>veilmart sample</title>" in page.content()
    assert page.url.startswith(field.face.origin)
    field.person.messages.clear()
    field.person.foreign.clear()


def test_a_base_address_cannot_be_planted(field: Field) -> None:
    evil = field.attacker.origin("evil.localhost")
    base = field.person.page.evaluate(
        """evil => {
          const base = document.createElement("base");
          base.href = evil;
          document.head.prepend(base);
          return document.baseURI;
        }""",
        evil,
    )
    assert base.startswith(field.face.origin)
    field.person.messages.clear()


def test_nothing_of_a_page_is_kept_by_the_browser(field: Field) -> None:
    """After the lock, going back shows no page that was there before."""
    field.person.goto("/text?text=private-words")
    field.person.goto("/")
    with field.person.page.expect_navigation():
        field.person.page.get_by_role("button", name="Lock").click()
    field.person.page.go_back()
    field.person.page.wait_for_timeout(SETTLE_MS)
    field.person.page.go_back()
    field.person.page.wait_for_timeout(SETTLE_MS)
    assert "private-words" not in field.person.page.inner_text("body")
    field.person.goto("/")
    field.person.page.get_by_label("Passphrase").fill("right")
    with field.person.page.expect_navigation():
        field.person.page.get_by_role("button", name="Unlock").click()
