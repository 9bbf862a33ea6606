"""The dialling end of streams: one connection to one server, questions many at a time.

The same port as the HTTP client, so that roles do not know which of the two they have. Where the
other side (or a proxy before it) opens no stream, everything goes by POST.
"""

import asyncio
from types import TracebackType

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.http11 import Request, Response
from websockets.uri import parse_uri

from veilmart.errors import (
    BadArgument,
    MessageTooLarge,
    NetworkFailure,
    ProxyFailed,
    VeilmartError,
)
from veilmart.limits import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    LINK_AT_ONCE,
    STREAM_IDLE_SECONDS,
)
from veilmart.protocol.stream_frames import FRAME_MAX_BYTES, KINDS, STREAM_PATH, Kind
from veilmart.transport.client import HttpClient
from veilmart.transport.frame_exchange import (
    GOING_AWAY,
    AnswerFrame,
    FrameExchange,
    StreamLost,
    answer_nothing,
)
from veilmart.transport.frame_turns import FrameTurns
from veilmart.transport.socks import SocksProxy, open_through, socket_faults, was_reached
from veilmart.transport.websocket_pipe import WebSocketPipe, quiet

# Ours ends first, so that a question never meets a stream the server is just closing.
_IDLE_SECONDS = STREAM_IDLE_SECONDS - 30
_LOOK_SECONDS = 5.0
# Of the event loop: the socket is looked at, its end is read, the transport says so.
_TURNS_TO_HEAR_OF_THE_END = 4


class NoStream(Exception):
    """The other side answered the opening request with something else than a stream."""


class StreamEnd(WebSocketPipe):
    """The pipe, once its opening handshake is through."""

    def __init__(self, url: str, answer: AnswerFrame, owner: str) -> None:
        self._client = ClientProtocol(parse_uri(url), max_size=FRAME_MAX_BYTES, logger=quiet)
        super().__init__(self._client, masked=False, idle_seconds=0.0)
        self.opened: asyncio.Future[FrameExchange] = self._loop.create_future()
        self._answer, self._owner = answer, owner
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._client.send_request(self._client.connect())
        self._flush()
        self._look_later()

    def _look_later(self) -> None:
        self._look = self._loop.call_later(_LOOK_SECONDS, self._look_now)

    def _look_now(self) -> None:
        if self.overdue(self._loop.time()):
            self.cut()
        self._look_later()

    def opening(self, event: Request | Response) -> None:
        if self.opened.done():
            return
        if not isinstance(event, Response) or self._client.handshake_exc is not None:
            status = event.status_code if isinstance(event, Response) else 0
            self.opened.set_exception(NoStream(f"HTTP status {status}"))
            self._end()
            return
        exchange = FrameExchange(self, self._answer, self._owner, FrameTurns(), LINK_AT_ONCE)
        self._exchange = exchange
        self.opened.set_result(exchange)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)
        if not self.opened.done():
            reason = "It hung up on the opening request"
            self.opened.set_exception(exc or ConnectionResetError(0, reason))


async def open_stream(
    address: str,
    proxy: SocksProxy | None = None,
    answer: AnswerFrame = answer_nothing,
) -> tuple[StreamEnd, FrameExchange]:
    """Dial "host:port". Raises NoStream, OSError, TimeoutError and the proxy's faults."""
    url = f"ws://{address}{STREAM_PATH}"
    try:
        place = parse_uri(url)
    except WebSocketException as fault:
        raise BadArgument(f"{address} is no host and port.") from fault
    loop = asyncio.get_running_loop()

    def end() -> StreamEnd:
        return StreamEnd(url, answer, place.host)

    if proxy is not None:
        socket = await open_through(proxy, place.host, place.port)
        _, pipe = await loop.create_connection(end, sock=socket)
    else:
        _, pipe = await loop.create_connection(end, place.host, place.port)
    try:
        return pipe, await pipe.opened
    except BaseException:
        pipe.cut()
        raise


class StreamClient:
    """A client of one server over one stream, made when first needed and again when it ended.

    exchanges: answers received so far, errors that the server named included.
    """

    def __init__(
        self,
        address: str,
        failure: type[NetworkFailure],
        *,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        proxy: SocksProxy | None = None,
    ) -> None:
        """As `HttpClient`."""
        self.exchanges = 0
        self._address = address
        self._failure = failure
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._proxy = proxy
        self._end: StreamEnd | None = None
        self._exchange: FrameExchange | None = None
        self._http: HttpClient | None = None
        self._opening = asyncio.Lock()
        self._resting = False

    async def __aenter__(self) -> "StreamClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def rest(self) -> None:
        """Read nothing until the next request, unless one is under way.

        Pings wait, and so does the end of the stream.
        """
        if self._http is not None:
            await self._http.rest()
        elif self._end is not None and not (self._exchange and self._exchange.busy):
            self._resting = True
            self._end.pause_reading()

    async def aclose(self) -> None:
        """End the stream."""
        self._drop("The client stops.")
        if self._http is not None:
            await self._http.aclose()

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        """What POST to "/v1/..." would do; the answer of at most `max_bytes` bytes.

        Raises as `HttpClient.post`. Never tries again by itself.
        """
        return await self._ask("POST", url_path, KINDS[url_path], body, max_bytes)

    async def get(self, url_path: str, *, max_bytes: int) -> bytes:
        """GET; otherwise like `post`."""
        return await self._ask("GET", url_path, Kind.GET, url_path.encode(), max_bytes)

    async def _ask(self, method: str, path: str, kind: Kind, body: bytes, max_bytes: int) -> bytes:
        try:
            exchange = await self._open()
        except NoStream:
            return await self._ask_http(method, path, body, max_bytes)
        try:
            content = await exchange.ask(kind, body, self._answer_seconds)
        except StreamLost as fault:
            raise self._failure(f"{self._address}: {fault}") from fault
        except TimeoutError as fault:
            self._drop("An answer did not come in time.")
            raise self._failure(f"{self._address} did not answer in time.") from fault
        except VeilmartError:
            self.exchanges += 1
            raise
        self.exchanges += 1
        if len(content) > max_bytes:
            raise MessageTooLarge(f"The answer has {len(content)} bytes.")
        return content

    async def _ask_http(self, method: str, path: str, body: bytes, max_bytes: int) -> bytes:
        if self._http is None:
            self._http = HttpClient(
                self._address,
                self._failure,
                connect_seconds=self._connect_seconds,
                answer_seconds=self._answer_seconds,
                proxy=self._proxy,
            )
        try:
            if method == "GET":
                return await self._http.get(path, max_bytes=max_bytes)
            return await self._http.post(path, body, max_bytes=max_bytes)
        finally:
            self.exchanges = self._http.exchanges

    async def _open(self) -> FrameExchange:
        if self._http is not None:
            raise NoStream
        if self._resting:
            await self._wake()
        current = self._current()
        if current is not None:
            return current
        async with self._opening:
            current = self._current()
            if current is None:
                current = await self._dial()
            return current

    async def _wake(self) -> None:
        """Read again, and learn first whether the stream ended meanwhile."""
        self._resting = False
        if self._end is not None:
            self._end.resume_reading()
            for _ in range(_TURNS_TO_HEAR_OF_THE_END):
                await asyncio.sleep(0)

    def _current(self) -> FrameExchange | None:
        exchange, end = self._exchange, self._end
        if exchange is None or end is None or exchange.lost_reason is not None:
            return None
        idle = end.idle_since
        if idle is not None and asyncio.get_running_loop().time() - idle > _IDLE_SECONDS:
            return None
        return exchange

    async def _dial(self) -> FrameExchange:
        self._drop("It was idle for too long.")
        try:
            async with asyncio.timeout(self._connect_seconds):
                self._end, self._exchange = await open_stream(self._address, self._proxy)
        except socket_faults() as fault:  # some of them are OSErrors too
            if was_reached(fault):
                raise self._failure(f"{self._address}, says the proxy.") from fault
            raise ProxyFailed(f"{self._proxy}.") from fault
        except TimeoutError as fault:
            raise self._failure(f"{self._address} did not answer in time.") from fault
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            raise self._failure(f"{self._address}: {reason}.") from fault
        return self._exchange

    def _drop(self, reason: str) -> None:
        if self._exchange is not None and self._exchange.lost_reason is None:
            self._exchange.end(GOING_AWAY, reason)
        self._exchange = self._end = None


class DialledClient:
    """The same for a stream that the other side opened: asked over it as if we had."""

    def __init__(
        self,
        exchange: FrameExchange,
        failure: type[NetworkFailure],
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.exchanges = 0
        self._exchange = exchange
        self._failure = failure
        self._answer_seconds = answer_seconds

    async def __aenter__(self) -> "DialledClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def rest(self) -> None:
        """Go on: the other side asks on this stream too."""

    async def aclose(self) -> None:
        """End the stream."""
        self.end()

    def end(self) -> None:
        """End the stream."""
        self._exchange.end(GOING_AWAY, "Another stream takes its place, or we stop.")

    async def post(self, url_path: str, body: bytes, *, max_bytes: int) -> bytes:
        """As `StreamClient.post`."""
        return await self._ask(KINDS[url_path], body, max_bytes)

    async def get(self, url_path: str, *, max_bytes: int) -> bytes:
        """As `StreamClient.get`."""
        return await self._ask(Kind.GET, url_path.encode(), max_bytes)

    async def _ask(self, kind: Kind, body: bytes, max_bytes: int) -> bytes:
        try:
            content = await self._exchange.ask(kind, body, self._answer_seconds)
        except StreamLost as fault:
            raise self._failure(f"Its stream ended: {fault}") from fault
        except TimeoutError as fault:
            self._exchange.end(GOING_AWAY, "An answer did not come in time.")
            raise self._failure("It did not answer in time.") from fault
        self.exchanges += 1
        if len(content) > max_bytes:
            raise MessageTooLarge(f"The answer has {len(content)} bytes.")
        return content
