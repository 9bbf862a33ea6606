"""Links: where a broker is and who broker and merchant are (docs/protocol/03-descriptors.md, 4)."""

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from veilmart.characters import is_plain, without_invisible
from veilmart.crypto.identity import format_fingerprint, parse_fingerprint
from veilmart.errors import BadLink

SCHEME = "veilmart"
DEFAULT_PORT = 8000
PRODUCT_MAX_CHARACTERS = 300
LINK_MAX_CHARACTERS = 2000
_HOST_FORBIDDEN = frozenset(' "%<>\\^`{|}')


@dataclass(frozen=True)
class Link:
    """broker, merchant: fingerprints (32 bytes) or None in a bare address; product: id or title."""

    host: str
    port: int
    broker: bytes | None
    merchant: bytes | None
    product: str | None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def __str__(self) -> str:
        if self.broker is None:
            return self.url
        host = f"[{self.host}]" if ":" in self.host else self.host
        text = f"{SCHEME}://{host}:{self.port}/{format_fingerprint(self.broker)}"
        if self.merchant is not None:
            text += f"/{format_fingerprint(self.merchant)}"
        if self.product is not None:
            text += "#" + quote(self.product)
        return text


def _is_host_name(host: str) -> bool:
    """Whether a resolver could take it; an IPv6 address counts as one label."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def parse_link(text: str) -> Link:
    """A veilmart:// link, an http:// URL or host[:port]. Raises BadLink."""
    text = without_invisible(text).strip()
    if len(text) > LINK_MAX_CHARACTERS or not is_plain(text):
        raise BadLink("It is too long or holds control characters.")
    if "://" not in text:
        text = "http://" + text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as fault:
        raise BadLink(repr(text[:80])) from fault
    if not host or port == 0 or parts.username is not None or parts.query:
        raise BadLink(repr(text[:80]))
    if _HOST_FORBIDDEN & set(host) or not _is_host_name(host):
        raise BadLink(repr(text[:80]))
    if parts.scheme == "http":
        if parts.path not in ("", "/") or parts.fragment:
            raise BadLink(repr(text[:80]))
        return Link(host, port or DEFAULT_PORT, None, None, None)
    if parts.scheme != SCHEME:
        raise BadLink(repr(text[:80]))
    prints = [part for part in parts.path.split("/") if part]
    if not 1 <= len(prints) <= 2:
        raise BadLink("It names no broker.")
    product = unquote(parts.fragment)[:PRODUCT_MAX_CHARACTERS] or None
    merchant = parse_fingerprint(prints[1]) if len(prints) == 2 else None
    return Link(host, port or DEFAULT_PORT, parse_fingerprint(prints[0]), merchant, product)
