"""Health and metrics on a port of their own, for the machine's supervisor alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from veilmart.errors import VeilmartError
from veilmart.transport.metrics import CONTENT_TYPE, Metrics
from veilmart.transport.server import serve

HEALTH_SECONDS = 5.0


@dataclass(frozen=True)
class StatusPlace:
    """Where to listen; port 0 lets the system choose, `on_started` hears which it is."""

    host: str
    port: int
    on_started: Callable[[int], None]


def status_app(
    metrics: Metrics, check: Callable[[], Awaitable[object]], stop: asyncio.Event
) -> Starlette:
    """`/healthz`: 200 while the database answers and nobody has asked us to stop, else 503."""

    async def healthz(_request: Request) -> Response:
        if stop.is_set():
            return PlainTextResponse("stopping\n", 503)
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await check()
        except (VeilmartError, TimeoutError):
            return PlainTextResponse("the database does not answer\n", 503)
        return PlainTextResponse("ok\n")

    async def show(_request: Request) -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", show)])


@asynccontextmanager
async def status_served(
    place: StatusPlace | None,
    metrics: Metrics,
    check: Callable[[], Awaitable[object]],
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    """Answers inside the block, also while the server itself finishes what is under way.

    Raises PortInUse.
    """
    if place is None:
        yield
        return
    ended, listening = asyncio.Event(), asyncio.Event()

    def started(port: int) -> None:
        listening.set()
        place.on_started(port)

    app = status_app(metrics, check, stop)
    task = asyncio.create_task(
        serve(app, place.host, place.port, on_started=started, stop=ended, stop_seconds=1)
    )
    waiting = asyncio.create_task(listening.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()  # raises why it could not listen
    try:
        yield
    finally:
        ended.set()
        await task
