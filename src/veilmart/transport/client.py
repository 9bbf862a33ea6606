"""The HTTP client: bytes there, bytes back, bounded in size and time."""

import asyncio
from collections import deque
from types import TracebackType

import msgspec

from veilmart.errors import (
    DescriptorUnknown,
    MessageTooLarge,
    NetworkFailure,
    NotYourBroker,
    Refusal,
    ServerBusy,
    TooSlow,
    UnexpectedAnswer,
    VeilmartError,
    from_wire,
)
from veilmart.limits import ANSWER_SECONDS, CONNECT_SECONDS, KEEP_ALIVE_SECONDS
from veilmart.transport.answers import DETAIL_MAX_CHARACTERS, OCTETS, WireError
from veilmart.transport.client_connection import ClientConnection, ConnectionEnded

_OK = 200
HINTS = (DescriptorUnknown, NotYourBroker)
"""Refusals of a handshake, before there is anything to seal with; believing them costs nothing."""
_BY_STATUS: dict[int, type[VeilmartError]] = {408: TooSlow, 413: MessageTooLarge, 503: ServerBusy}
# Ours ends first, so that a request never meets a connection the server is just closing.
_IDLE_SECONDS = KEEP_ALIVE_SECONDS - 15
_DEFAULT_PORT = "80"


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
        proxy: str | None = None,
    ) -> None:
        """`address`: "host:port". `failure`: what it means that the server is not reached.

        `answer_seconds` bounds an exchange from its first byte to its last. `proxy`: the
        "host:port" of an HTTP proxy, which is then asked for absolute addresses.
        """
        self.exchanges = 0
        self._address = address
        self._failure = failure
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._peer = _host_and_port(proxy or address)
        self._before_path = f"http://{address}" if proxy else ""
        self._idle: deque[ClientConnection] = deque()
        self._turns = asyncio.Semaphore(connections)

    async def __aenter__(self) -> "HttpClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def idle_connections(self) -> int:
        """Open connections that wait for the next exchange."""
        return len(self._idle)

    async def aclose(self) -> None:
        """Close every connection that nobody is using."""
        while self._idle:
            self._idle.pop().cut()
        await asyncio.sleep(0)  # the event loop closes the sockets

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        """POST `body` to "/v1/..."; the answer's body of at most `max_bytes` bytes.

        Raises the error that the server named, `MessageTooLarge`, `UnexpectedAnswer`, or the
        failure given to the constructor. Never tries again by itself: the request may have had
        its effect.
        """
        head = (
            f"POST {self._before_path}{url_path} HTTP/1.1\r\nHost: {self._address}\r\n"
            f"Content-Type: {OCTETS}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return await self._exchange(head.encode(), body, max_bytes)

    async def get(self, url_path: str, *, max_bytes: int) -> bytes:
        """GET; otherwise like `post`."""
        head = f"GET {self._before_path}{url_path} HTTP/1.1\r\nHost: {self._address}\r\n\r\n"
        return await self._exchange(head.encode(), b"", max_bytes)

    async def _exchange(self, head: bytes, body: bytes, max_bytes: int) -> bytes:
        async with self._turns:
            try:
                status, content = await self._send(head, body, max_bytes)
            except TimeoutError as fault:
                raise self._failure(f"{self._address} did not answer in time.") from fault
            except OSError as fault:
                reason = fault.strerror or type(fault).__name__
                raise self._failure(f"{self._address}: {reason}.") from fault
            except ConnectionEnded as fault:
                raise self._failure(f"{self._address}: the connection ended.") from fault
        self.exchanges += 1
        if status != _OK:
            raise _named_error(status, content)
        return content

    async def _send(self, head: bytes, body: bytes, max_bytes: int) -> tuple[int, bytes]:
        kept = self._take()
        if kept is not None:
            try:
                return await self._ask(kept, head, body, max_bytes)
            except ConnectionEnded:
                # A server may close a kept connection at any time; a GET loses nothing by that.
                if not head.startswith(b"GET "):
                    raise
        return await self._ask(await self._connect(), head, body, max_bytes)

    async def _ask(
        self, connection: ClientConnection, head: bytes, body: bytes, max_bytes: int
    ) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self._answer_seconds):
                answer = await connection.exchange(head, body, max_bytes)
        except BaseException:
            connection.cut()  # what still comes belongs to nobody
            raise
        if connection.usable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.cut()
        return answer

    def _take(self) -> ClientConnection | None:
        """The connection used last, while it is fresh."""
        if not self._idle:
            return None
        oldest_allowed = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while self._idle and self._idle[0].idle_since < oldest_allowed:
            self._idle.popleft().cut()
        return self._idle.pop() if self._idle else None

    async def _connect(self) -> ClientConnection:
        host, port = self._peer
        async with asyncio.timeout(self._connect_seconds):
            _transport, connection = await asyncio.get_running_loop().create_connection(
                lambda: ClientConnection(self._lost), host, port
            )
        return connection

    def _lost(self, connection: ClientConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)


def _host_and_port(address: str) -> tuple[str, int]:
    """Of "host:port" or "[host]:port"."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    if not host:
        host, port = port, _DEFAULT_PORT
    return host.strip("[]"), int(port)


def _named_error(status: int, content: bytes) -> VeilmartError:
    try:
        named = msgspec.msgpack.decode(content, type=WireError)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        kind = _BY_STATUS.get(status)
        return UnexpectedAnswer(f"HTTP status {status}.") if kind is None else kind()
    detail = "".join(character for character in named.detail if character.isprintable())
    error = from_wire(named.code, detail[:DETAIL_MAX_CHARACTERS])
    if isinstance(error, Refusal) and not isinstance(error, HINTS):
        # Nobody signed it. A rule's refusal comes sealed, or it was not the other side's.
        return UnexpectedAnswer(f"Somebody answered with error {error.code}, unsealed.")
    return error
