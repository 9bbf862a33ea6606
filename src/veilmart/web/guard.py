"""Who may use a face: a decision about one request, made before routing.

The browser runs pages of strangers beside ours. They can make it send requests to any address,
with our cookie if the browser takes them for the same site; they cannot choose the headers Host,
Origin, Sec-Fetch-Site and Cookie. The guard therefore looks at nothing else, and at all of it.
"""

from dataclasses import dataclass
from enum import Enum
from http.cookies import CookieError, SimpleCookie

from starlette.types import Scope

ENTRY_PATH = "/enter"
ASSETS_PREFIX = "/assets/"
_METHODS = frozenset({"GET", "POST", "PUT"})
_QUIET_SITES = frozenset({b"none", b"same-origin"})
COOKIE_MAX_BYTES = 4096


class Verdict(Enum):
    """The guard's decision about a request."""

    ADMITTED = "admitted"  # with a secret, to be compared with the sessions
    PUBLIC = "public"  # the entry and the style sheets: no session is needed, nothing is revealed
    WRONG_HOST = "wrong host"
    WRONG_METHOD = "wrong method"
    WRONG_ORIGIN = "wrong origin"
    FOREIGN_SITE = "foreign site"
    NO_COOKIE = "no cookie"


@dataclass(frozen=True)
class Doorplate:
    """The one address under which this process is reached.

    origin: "http://NAME:PORT", as a browser writes it in Origin; host: what it writes in Host.
    cookie: name of the session cookie.
    """

    origin: bytes
    host: bytes
    cookie: str

    @classmethod
    def of(cls, origin: str) -> "Doorplate":
        """origin: scheme, name and, unless it is the scheme's own, port."""
        host = origin.split("://", 1)[1]
        port = host.rpartition(":")[2] if ":" in host else "web"
        return cls(origin.encode(), host.encode(), f"veilmart-{port}")


@dataclass(frozen=True)
class Decision:
    """secret: the cookie's value, only with ADMITTED. It has not been compared yet."""

    verdict: Verdict
    secret: str = ""


def decide(scope: Scope, door: Doorplate) -> Decision:
    """Judge one HTTP request by its ASGI scope alone. Reads no body and no state."""
    if _all(scope, b"host") != [door.host]:
        return Decision(Verdict.WRONG_HOST)
    method = scope["method"]
    if method not in _METHODS:
        return Decision(Verdict.WRONG_METHOD)
    refused_or_public = _reading(scope) if method == "GET" else _changing(scope, door)
    if refused_or_public is not None:
        return Decision(refused_or_public)
    secret = _secret(scope, door.cookie)
    return Decision(Verdict.ADMITTED, secret) if secret else Decision(Verdict.NO_COOKIE)


def _changing(scope: Scope, door: Doorplate) -> Verdict | None:
    """A request that may change something: both headers, and right; missing means no."""
    if _all(scope, b"origin") != [door.origin]:
        return Verdict.WRONG_ORIGIN
    if _all(scope, b"sec-fetch-site") != [b"same-origin"]:
        return Verdict.FOREIGN_SITE
    return None


def _reading(scope: Scope) -> Verdict | None:
    """A GET: from our own pages or the address line, except for the entry."""
    if scope["path"] == ENTRY_PATH:
        # The redirect file is another site for the browser; the ticket speaks for it.
        return Verdict.PUBLIC
    sites = _all(scope, b"sec-fetch-site")
    if len(sites) > 1 or not _QUIET_SITES.issuperset(sites):
        return Verdict.FOREIGN_SITE
    return Verdict.PUBLIC if scope["path"].startswith(ASSETS_PREFIX) else None


def _all(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def _secret(scope: Scope, name: str) -> str:
    """The cookie's value; empty if it is missing, double or unreadable."""
    found = _all(scope, b"cookie")
    if len(found) != 1 or len(found[0]) > COOKIE_MAX_BYTES or found[0].count(name.encode()) != 1:
        return ""
    try:
        morsel = SimpleCookie(found[0].decode("ascii")).get(name)
    except (UnicodeDecodeError, CookieError):
        return ""
    return "" if morsel is None else morsel.value
