"""The HTTP server: uvicorn inside the caller's event loop, stopped by an event.

It installs no signal handlers, writes no log lines and sends no headers that name the software.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from veilmart.errors import PortInUse
from veilmart.limits import (
    GRACEFUL_STOP_SECONDS,
    HEADER_SECONDS,
    KEEP_ALIVE_SECONDS,
    REQUEST_SECONDS,
)
from veilmart.transport.frame_exchange import AnswerFrame
from veilmart.transport.frame_turns import FrameTurns
from veilmart.transport.http_protocol import DeadlineProtocol
from veilmart.transport.open_files import connections_allowed, streams_allowed
from veilmart.transport.stream_server import StreamServer, heaviest

_BACKLOG = 1024
_Bounded = DeadlineProtocol | StreamServer


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    on_started: Callable[[int], None],
    stop: asyncio.Event,
    header_seconds: float = HEADER_SECONDS,
    request_seconds: float = REQUEST_SECONDS,
    stop_seconds: int = GRACEFUL_STOP_SECONDS,
    connections_max: int | None = None,
    streams_max: int | None = None,
) -> None:
    """Serve `app` until `stop` is set, then finish what is under way and return.

    `on_started(port)` is called once connections are accepted, with the actual port (`port` 0:
    the system chooses). Signals are the caller's. connections_max: what the system allows, unless
    a test wants fewer. An application that can answer frames is asked over
    streams too. Raises `PortInUse` when it cannot listen.
    """
    await serve_on(
        app,
        await listen(host, port),
        on_started=on_started,
        stop=stop,
        header_seconds=header_seconds,
        request_seconds=request_seconds,
        stop_seconds=stop_seconds,
        connections_max=connections_max,
        streams_max=streams_max,
    )


async def serve_on(
    app: ASGIApp,
    listener: socket.socket,
    *,
    on_started: Callable[[int], None],
    stop: asyncio.Event,
    header_seconds: float = HEADER_SECONDS,
    request_seconds: float = REQUEST_SECONDS,
    stop_seconds: int = GRACEFUL_STOP_SECONDS,
    connections_max: int | None = None,
    streams_max: int | None = None,
) -> None:
    """`serve` on a socket that listens already, and is closed at the end."""
    streams: set[StreamServer] = set()
    bounds = {
        "streams": streams,
        "header_seconds": header_seconds,
        "request_seconds": request_seconds,
        "connections_max": connections_max or connections_allowed(),
        "leaving": set(),
    }
    frames: AnswerFrame | None = getattr(app, "answer_frame", None)
    config = uvicorn.Config(
        app,
        http=type("TimedProtocol", (DeadlineProtocol,), bounds),
        ws="none" if frames is None else _stream_class(frames, streams, streams_max),
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        limit_concurrency=None,  # uvicorn would refuse the next one; see crowding.py
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=stop_seconds,
    )
    started = listener.getsockname()[1]
    server = _Server(
        config, stop, streams, lambda: on_started(started), min(1.0, header_seconds / 4)
    )
    try:
        await server.serve(sockets=[listener])
    finally:
        server.cut_all()
        listener.close()


def _stream_class(
    answer: AnswerFrame, streams: set[StreamServer], streams_max: int | None
) -> type[StreamServer]:
    parts = {
        "answer": staticmethod(answer),
        "turns": FrameTurns(),
        "streams": streams,
        "streams_max": streams_max or streams_allowed(),
    }
    return type("OwnStreams", (StreamServer,), parts)


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        stop: asyncio.Event,
        streams: set[StreamServer],
        on_started: Callable[[], None],
        look_every_seconds: float,
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._streams = streams
        self._on_started = on_started
        self._look_every_seconds = look_every_seconds
        self._looking: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def main_loop(self) -> None:
        self._look()
        await self._stop.wait()

    def _look(self) -> None:
        """Periodically close overdue connections until none is left."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self.server_state.connections):
            if isinstance(connection, _Bounded) and connection.overdue(now):
                connection.cut()
        for stream in heaviest(self._streams):
            stream.cut()
        self._looking = loop.call_later(self._look_every_seconds, self._look)

    def cut_all(self) -> None:
        """End whatever is still connected."""
        if self._looking is not None:
            self._looking.cancel()
        for connection in list(self.server_state.connections):
            if isinstance(connection, _Bounded):
                connection.cut()


async def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `PortInUse`."""
    loop = asyncio.get_running_loop()
    try:
        places: list[Any] = await loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _name, address = places[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
    except OSError as fault:
        raise PortInUse(f"{host}:{port}: {fault.strerror or 'no such address'}.") from fault
    return listener
