"""Links (docs/protocol/03-descriptors.md, 3.4): what is one, what is none."""

import pytest
from hypothesis import given, strategies as st

from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import BadLink
from veilmart.protocol.address import Link, parse_link

BROKER = bytes(range(32))
MERCHANT = bytes(range(32, 64))
B, M = format_fingerprint(BROKER), format_fingerprint(MERCHANT)


@pytest.mark.parametrize(
    ("text", "link"),
    [
        (f"veilmart://shop.example/{B}", Link("shop.example", 8000, BROKER, None, None)),
        (f"veilmart://shop.example:9/{B}/{M}", Link("shop.example", 9, BROKER, MERCHANT, None)),
        (f"veilmart://h/{B}/{M}#A%20map", Link("h", 8000, BROKER, MERCHANT, "A map")),
        (f"veilmart://h/{B}/{M}#%C3%A9t%C3%A9", Link("h", 8000, BROKER, MERCHANT, "été")),
        (f"veilmart://[::1]:81/{B}", Link("::1", 81, BROKER, None, None)),
        (f"veilmart://[2001:db8::7]/{B}/{M}", Link("2001:db8::7", 8000, BROKER, MERCHANT, None)),
        (f"VEILMART://HOST/{B.upper()}", Link("host", 8000, BROKER, None, None)),
        (f"veilmart://host/{B.replace('-', '')}/", Link("host", 8000, BROKER, None, None)),
        (f"  veilmart://host/{B}\n", Link("host", 8000, BROKER, None, None)),
        ("http://127.0.0.1:8100", Link("127.0.0.1", 8100, None, None, None)),
        ("http://host/", Link("host", 8000, None, None, None)),
        ("http://[::1]:8100", Link("::1", 8100, None, None, None)),
        ("host", Link("host", 8000, None, None, None)),
        ("host:81", Link("host", 81, None, None, None)),
        ("[::1]:81", Link("::1", 81, None, None, None)),
    ],
)
def test_links(text: str, link: Link) -> None:
    assert parse_link(text) == link


JUNK: dict[str, str] = {
    "empty": "",
    "blank": "   ",
    "no-host": "http://",
    "no-host-but-a-port": "http://:81",
    "port-zero": "http://host:0",
    "port-too-large": "http://host:65536",
    "port-negative": "http://host:-1",
    "port-of-letters": "http://host:http",
    "https": "https://host",
    "file": "file:///etc/passwd",
    "javascript": "javascript://host/1",
    "http-with-a-path": "http://host/path",
    "http-with-a-fragment": "http://host/#x",
    "with-a-query": f"veilmart://host/{B}?x=1",
    "with-a-user": f"veilmart://me@host/{B}",
    "with-a-password": f"veilmart://me:secret@host/{B}",
    "without-fingerprints": "veilmart://host",
    "three-fingerprints": f"veilmart://host/{B}/{M}/{B}",
    "fingerprint-cut": f"veilmart://host/{B[:-1]}",
    "fingerprint-too-long": f"veilmart://host/{B}a",
    "fingerprint-with-0-and-1": f"veilmart://host/{B[:-2]}01",
    "fingerprint-mistyped-at-its-end": f"veilmart://host/{B[:-1]}z",
    "merchant-cut": f"veilmart://host/{B}/{M[:-4]}",
    "ipv6-without-brackets": "http://::1",
    "ipv6-not-closed": f"veilmart://[::1/{B}",
    "no-ipv6-in-brackets": f"veilmart://[zebra]/{B}",
    "space-in-the-host": f"veilmart://ho st/{B}",
    "line-break-in-the-host": f"veilmart://ho\nst/{B}",
    "tab-in-the-fingerprint": f"veilmart://host/{B[:20]}\t{B[20:]}",
    "escape-sequence": f"veilmart://host/{B}#\x1b[2J",
    "nul": "http://ho\0st",
    "quote-in-the-host": 'http://ho"st',
    "percent-in-the-host": "http://ho%20st",
    "half-a-character": "http://host\udcff",
    "endless": "http://" + "a" * 5000,
    "endless-product": f"veilmart://host/{B}#" + "a" * 5000,
}


@pytest.mark.parametrize("name", JUNK)
def test_junk(name: str) -> None:
    with pytest.raises(BadLink):
        parse_link(JUNK[name])


hosts = st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z]{2,5})?", fullmatch=True) | st.ip_addresses(
    v=6
).map(str)
links = st.builds(
    Link,
    hosts,
    st.integers(1, 65535),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.none() | st.text(min_size=1, max_size=100),
)


@given(links)
def test_what_is_written_is_read_back(link: Link) -> None:
    assert parse_link(str(link)) == link


@given(hosts, st.integers(1, 65535))
def test_bare_addresses_are_read_back(host: str, port: int) -> None:
    link = Link(host, port, None, None, None)
    assert parse_link(str(link)) == link
    assert parse_link(link.url) == link


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: f"veilmart://{text}"))
def test_any_text_is_a_link_or_is_refused(text: str) -> None:
    try:
        link = parse_link(text)
    except BadLink:
        return
    assert parse_link(str(link)) == link
