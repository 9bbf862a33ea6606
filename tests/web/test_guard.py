"""The guard's decisions: by name, one per way in that must not be one."""

import pytest

from veilmart.web.guard import Decision, Doorplate, Verdict, decide

DOOR = Doorplate.of("http://5f0c3e.localhost:8123")
COOKIE = (b"cookie", b"veilmart-8123=s3cret")
HOST = (b"host", b"5f0c3e.localhost:8123")
ORIGIN = (b"origin", b"http://5f0c3e.localhost:8123")
SAME = (b"sec-fetch-site", b"same-origin")


def scope(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict:
    return {"type": "http", "method": method, "path": path, "headers": list(headers)}


def verdict(method: str, path: str, *headers: tuple[bytes, bytes]) -> Verdict:
    return decide(scope(method, path, *headers), DOOR).verdict


def test_own_page_with_its_cookie_is_admitted() -> None:
    assert decide(scope("GET", "/", HOST, COOKIE, SAME), DOOR) == Decision(
        Verdict.ADMITTED, "s3cret"
    )


def test_address_line_with_the_cookie_is_admitted() -> None:
    assert verdict("GET", "/", HOST, COOKIE, (b"sec-fetch-site", b"none")) is Verdict.ADMITTED


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1:8123",
        b"localhost:8123",
        b"evil.localhost:8123",
        b"5f0c3e.localhost",
        b"5f0c3e.localhost:8124",
        b"5F0C3E.localhost:8123",
        b"5f0c3e.localhost.:8123",
        b"5f0c3e.localhost:08123",
        b"x@5f0c3e.localhost:8123",
        b" 5f0c3e.localhost:8123",
        b"",
    ],
)
def test_any_other_host_is_refused_even_with_the_cookie(host: bytes) -> None:
    assert verdict("GET", "/", (b"host", host), COOKIE, SAME) is Verdict.WRONG_HOST


def test_no_host_and_two_hosts_are_refused() -> None:
    assert verdict("GET", "/", COOKIE) is Verdict.WRONG_HOST
    assert verdict("GET", "/", HOST, HOST, COOKIE) is Verdict.WRONG_HOST
    assert verdict("GET", "/", HOST, (b"host", b"evil.test"), COOKIE) is Verdict.WRONG_HOST


def test_the_host_is_looked_at_before_assets_and_entry() -> None:
    evil = (b"host", b"evil.test")
    assert verdict("GET", "/assets/pico.css", evil) is Verdict.WRONG_HOST
    assert verdict("GET", "/enter", evil) is Verdict.WRONG_HOST


def test_own_form_is_admitted() -> None:
    assert verdict("POST", "/pay", HOST, ORIGIN, SAME, COOKIE) is Verdict.ADMITTED
    assert verdict("PUT", "/upload", HOST, ORIGIN, SAME, COOKIE) is Verdict.ADMITTED


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"",
        b"http://5f0c3e.localhost",
        b"http://5f0c3e.localhost:8124",
        b"https://5f0c3e.localhost:8123",
        b"http://evil.localhost:8123",
        b"http://5f0c3e.localhost:8123/",
        b"HTTP://5f0c3e.localhost:8123",
        b"file://",
    ],
)
def test_a_form_from_another_origin_is_refused(origin: bytes) -> None:
    assert verdict("POST", "/pay", HOST, (b"origin", origin), SAME, COOKIE) is Verdict.WRONG_ORIGIN


def test_a_form_without_origin_or_with_two_is_refused() -> None:
    assert verdict("POST", "/pay", HOST, SAME, COOKIE) is Verdict.WRONG_ORIGIN
    assert verdict("POST", "/pay", HOST, ORIGIN, ORIGIN, SAME, COOKIE) is Verdict.WRONG_ORIGIN


@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"none", b"", b"Same-Origin"])
def test_a_form_from_another_site_is_refused(site: bytes) -> None:
    found = verdict("POST", "/pay", HOST, ORIGIN, (b"sec-fetch-site", site), COOKIE)
    assert found is Verdict.FOREIGN_SITE


def test_a_form_that_does_not_say_its_site_is_refused() -> None:
    assert verdict("POST", "/pay", HOST, ORIGIN, COOKIE) is Verdict.FOREIGN_SITE
    assert verdict("POST", "/pay", HOST, ORIGIN, SAME, SAME, COOKIE) is Verdict.FOREIGN_SITE


@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"", b"same-origin,none"])
def test_a_page_asked_for_by_another_site_is_refused(site: bytes) -> None:
    assert verdict("GET", "/", HOST, COOKIE, (b"sec-fetch-site", site)) is Verdict.FOREIGN_SITE
    assert verdict("GET", "/assets/pico.css", HOST, (b"sec-fetch-site", site)) is (
        Verdict.FOREIGN_SITE
    )


def test_only_the_entry_may_be_reached_from_the_redirect_file() -> None:
    cross = (b"sec-fetch-site", b"cross-site")
    assert verdict("GET", "/enter", HOST, cross) is Verdict.PUBLIC
    assert verdict("POST", "/enter", HOST, ORIGIN, cross) is Verdict.FOREIGN_SITE
    assert verdict("GET", "/enter/", HOST, cross) is Verdict.FOREIGN_SITE


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "QUERY"])
def test_other_methods_are_refused(method: str) -> None:
    assert verdict(method, "/", HOST, ORIGIN, SAME, COOKIE) is Verdict.WRONG_METHOD


@pytest.mark.parametrize(
    "cookies",
    [
        [],
        [(b"cookie", b"other=1")],
        [(b"cookie", b"veilmart-8123=")],
        [COOKIE, COOKIE],
        [(b"cookie", b"veilmart-8123=a; veilmart-8123=b")],
        [(b"cookie", b"veilmart-8124=s3cret")],
        [(b"cookie", b"veilmart-8123=" + b"a" * 5000)],
        [(b"cookie", b"veilmart-8123=\xff")],
    ],
)
def test_without_exactly_one_readable_cookie_nobody_is_admitted(cookies: list) -> None:
    assert verdict("GET", "/", HOST, SAME, *cookies) is Verdict.NO_COOKIE


def test_assets_need_no_session() -> None:
    assert verdict("GET", "/assets/pico.css", HOST, SAME) is Verdict.PUBLIC
    assert verdict("POST", "/assets/pico.css", HOST, ORIGIN, SAME) is Verdict.NO_COOKIE
