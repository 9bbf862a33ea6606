"""SOCKS 5 proxies (RFC 1928, RFC 1929): a connector for the HTTP client that has no way around it.

Names are resolved by the proxy ("socks5h"), never here. Every client has a username and password of
its own, drawn at random: Tor gives connections with different ones different circuits.
"""

import secrets
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from veilmart.errors import BadArgument

if TYPE_CHECKING:
    from aiohttp_socks import ProxyConnector

SCHEME = "socks5h"
PORT = 9050
_CREDENTIAL_BYTES = 16
_LOOKS_LIKE = "A proxy looks like socks5h://127.0.0.1:9050."
# RFC 1928, section 6: the proxy works, what lies behind it does not.
_BEHIND = frozenset({3, 4, 5, 6})


@dataclass(frozen=True)
class SocksProxy:
    """username, password: what this one connection shows; empty for none."""

    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """As people write it; without username and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{host}:{self.port}"

    def isolated(self) -> "SocksProxy":
        """The same proxy with fresh credentials: nothing else shares its circuit."""
        name, word = secrets.token_hex(_CREDENTIAL_BYTES), secrets.token_hex(_CREDENTIAL_BYTES)
        return SocksProxy(self.host, self.port, name, word)


def parse_proxy(text: str) -> SocksProxy:
    """From "socks5h://host[:port]". Raises BadArgument."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, PORT if parts.port is None else parts.port
    except ValueError as fault:
        raise BadArgument(_LOOKS_LIKE) from fault
    if parts.scheme == "socks5":
        raise BadArgument("socks5:// would resolve names here and tell them; use socks5h://.")
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != SCHEME or not host or not port or more:
        raise BadArgument(_LOOKS_LIKE)
    return SocksProxy(host, port)


def proxy_connector(proxy: SocksProxy, connections: int, idle_seconds: float) -> "ProxyConnector":
    """Where `aiohttp` gets its connections: from the proxy, or not at all."""
    from aiohttp_socks import ProxyConnector, ProxyType

    return ProxyConnector(
        proxy.host,
        proxy.port,
        ProxyType.SOCKS5,
        proxy.username or None,
        proxy.password or None,
        rdns=True,
        limit=connections,
        keepalive_timeout=idle_seconds,
    )


async def open_through(proxy: SocksProxy, host: str, port: int) -> socket.socket:
    """A connected socket. Raises one of `socket_faults`."""
    from python_socks import ProxyType
    from python_socks.async_.asyncio import Proxy

    way = Proxy(
        ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        proxy.username or None,
        proxy.password or None,
        rdns=True,
    )
    opened: socket.socket = await way.connect(host, port)
    return opened


def socket_faults() -> tuple[type[Exception], ...]:
    """What `open_through` raises besides OSError."""
    from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

    return ProxyConnectionError, ProxyError, ProxyTimeoutError


def proxy_faults() -> tuple[type[Exception], ...]:
    """What the connector raises besides what `aiohttp` does."""
    from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

    return ProxyConnectionError, ProxyError, ProxyTimeoutError


def was_reached(fault: Exception) -> bool:
    """Whether the proxy answered that what lies behind it cannot be reached."""
    return getattr(fault, "error_code", None) in _BEHIND
