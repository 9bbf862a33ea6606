"""The HTTP client: sends and receives bytes, bounded in size and time."""

import asyncio
from io import BytesIO
from types import TracebackType
from typing import TYPE_CHECKING

from veilmart.errors import (
    MessageTooLarge,
    NetworkFailure,
    ProxyFailed,
    ServerBusy,
    TooSlow,
    UnsignedAnswer,
    VeilmartError,
)
from veilmart.limits import ANSWER_SECONDS, CONNECT_SECONDS, KEEP_ALIVE_SECONDS
from veilmart.transport.socks import SocksProxy, proxy_connector, proxy_faults, was_reached
from veilmart.transport.wire_error import OCTETS, read_error

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

_OK = 200
_ERROR_MAX_BYTES = 4096
_URLS_KEPT = 16
_BY_STATUS: dict[int, type[VeilmartError]] = {408: TooSlow, 413: MessageTooLarge, 503: ServerBusy}
_COPY_FREE_BYTES = 1024 * 1024
# Ours ends first, so that a request never meets a connection the server is just closing.
_IDLE_SECONDS = KEEP_ALIVE_SECONDS - 15
_BINARY = {"Content-Type": OCTETS}
_NEVER_SENT = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class HttpClient:
    """Connections to one server, kept alive and used again.

    No cookies, redirects, proxies from the environment, or headers that tell clients apart.
    exchanges: answers received so far, errors that the server named included.
    """

    def __init__(
        self,
        address: str,
        failure: type[NetworkFailure],
        *,
        connections: int = 64,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        proxy: SocksProxy | None = None,
    ) -> None:
        """`address`: "host:port". `failure`: what it means that the server is not reached.

        proxy: every connection goes through it, or none is made; there is no way around it.
        """
        self.exchanges = 0
        self._base = f"http://{address}"
        self._address = address
        self._failure = failure
        self._connections = connections
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, URL] = {}
        self._under_way = 0

    async def __aenter__(self) -> "HttpClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def rest(self) -> None:
        """Close every connection, unless one is in use: what is kept alive would be read."""
        if not self._under_way:
            await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        """POST `body` to "/v1/..."; the answer's body of at most `max_bytes` bytes.

        Raises what `from_unsigned` makes of a named error, `MessageTooLarge`, or the
        failure given to the constructor. Never tries again by itself: the request may have had
        its effect.
        """
        return await self._counted("POST", url_path, body, max_bytes)

    async def get(self, url_path: str, *, max_bytes: int) -> bytes:
        """GET; otherwise like `post`."""
        return await self._counted("GET", url_path, None, max_bytes)

    async def _counted(self, method: str, path: str, body: bytes | None, max_bytes: int) -> bytes:
        self._under_way += 1
        try:
            return await self._exchange(method, path, body, max_bytes)
        finally:
            self._under_way -= 1

    async def _exchange(self, method: str, path: str, body: bytes | None, max_bytes: int) -> bytes:
        import aiohttp  # a fifth of a second, which commands that ask nobody do not spend

        large = body is not None and len(body) > _COPY_FREE_BYTES
        try:
            async with self._open_session().request(
                method,
                self._url(path),
                data=BytesIO(body) if large and body is not None else body,
                headers=None if body is None else _BINARY,
                allow_redirects=False,
            ) as response:
                if response.status == _OK:
                    content = await _read(response, max_bytes)
                    self.exchanges += 1
                    return content
                content = await _read(response, _ERROR_MAX_BYTES)
                self.exchanges += 1
        except aiohttp.ClientResponseError as fault:
            raise UnsignedAnswer("It was not HTTP.") from fault
        except TimeoutError as fault:
            raise self._failure(f"{self._address} did not answer in time.") from fault
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as fault:
            raise self._failure(f"{self._address}: {_reason(fault)}.") from fault
        except proxy_faults() as fault:
            if was_reached(fault):
                raise self._failure(f"{self._address}, says the proxy.") from fault
            raise ProxyFailed(f"{self._proxy}.") from fault
        raise named_error(response.status, content)

    def _url(self, path: str) -> "URL":
        """Parsed once: a purchase goes to the same two paths again and again."""
        from yarl import URL

        known = self._urls.get(path)
        if known is None:
            known = URL(self._base + path, encoded=True)
            if len(self._urls) < _URLS_KEPT:
                self._urls[path] = known
        return known

    def _open_session(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                timeout=aiohttp.ClientTimeout(
                    total=self._connect_seconds + self._answer_seconds,
                    sock_connect=self._connect_seconds,
                    sock_read=self._answer_seconds,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_NEVER_SENT,
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _connector(self) -> "aiohttp.TCPConnector":
        import aiohttp

        if self._proxy is not None:
            return proxy_connector(self._proxy, self._connections, _IDLE_SECONDS)
        return aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE_SECONDS)


async def _read(response: "aiohttp.ClientResponse", max_bytes: int) -> bytes:
    """The body; past `max_bytes` the connection is cut instead of read on."""
    if (response.content_length or 0) > max_bytes:
        response.close()
        raise MessageTooLarge(f"The answer has {response.content_length} bytes.")
    blocks: list[bytes] = []
    total = 0
    while block := await response.content.readany():
        total += len(block)
        if total > max_bytes:
            response.close()
            raise MessageTooLarge(f"The answer has more than {max_bytes} bytes.")
        blocks.append(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def named_error(status: int, content: bytes) -> VeilmartError:
    """What an answer other than 200 means to the one who asked."""
    kind = _BY_STATUS.get(status)
    return read_error(content, UnsignedAnswer(f"HTTP status {status}.") if kind is None else kind())


def _reason(fault: Exception) -> str:
    origin = getattr(fault, "os_error", fault)
    return getattr(origin, "strerror", None) or type(fault).__name__
