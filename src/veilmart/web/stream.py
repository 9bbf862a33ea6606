"""Server-sent events: pieces of HTML that are swapped into a page as they come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import Response, StreamingResponse

from veilmart.errors import ServerBusy
from veilmart.limits import WEB_STREAMS_MAX

CLOSING = "done"
_LOOK_EVERY_SECONDS = 5.0


def event_text(html: str, name: str = "") -> bytes:
    """One event. Without a name htmx swaps it in; `CLOSING` makes it close the connection."""
    lines = [f"event: {name}"] if name else []
    lines += [f"data: {line}" for line in html.splitlines() or [""]]
    return ("\n".join(lines) + "\n\n").encode()


class Streams:
    """The open event streams of one face. All end at once when the face stops."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._open = 0

    def response(self, source: AsyncIterator[str], may_go_on: Callable[[], bool]) -> Response:
        """An answer that sends every piece of `source`, then tells the browser to close.

        may_go_on: asked every five seconds; False (a locked session) ends the stream.
        Raises ServerBusy at WEB_STREAMS_MAX.
        """
        if self._open >= WEB_STREAMS_MAX:
            raise ServerBusy
        return StreamingResponse(
            self._events(source, may_go_on),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    async def _events(
        self, source: AsyncIterator[str], may_go_on: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        self._open += 1
        stopping = asyncio.ensure_future(self._stop.wait())
        waiting: asyncio.Future[str] | None = None
        try:
            while may_go_on():
                waiting = waiting or asyncio.ensure_future(anext(source))
                both: set[asyncio.Future[Any]] = {waiting, stopping}
                await asyncio.wait(
                    both, timeout=_LOOK_EVERY_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if stopping.done():
                    break
                if waiting.done():
                    piece, waiting = waiting.result(), None
                    yield event_text(piece)
        except StopAsyncIteration:
            pass
        finally:
            self._open -= 1
            for future in (waiting, stopping):
                if future is not None:
                    future.cancel()
            await asyncio.gather(
                *(f for f in (waiting, stopping) if f is not None), return_exceptions=True
            )
        yield event_text("", CLOSING)
