"""What a server answers over HTTP: bytes, or one typed error."""

import traceback
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from veilmart.errors import (
    DatabaseAway,
    ServerBusy,
    ServerFault,
    StorageFailure,
    VeilmartError,
)
from veilmart.transport.wire_error import OCTETS, encode_error

_log = structlog.get_logger("veilmart.transport")


class _Followed(Response):
    """A body in two parts, which are not joined first: the second one may have a MiB."""

    def __init__(self, content: bytes, attachment: bytes | memoryview) -> None:
        length = str(len(content) + len(attachment))
        super().__init__(content, headers={"content-length": length}, media_type=OCTETS)
        self._attachment = attachment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await send({"type": "http.response.body", "body": self._attachment})


def binary_answer(content: bytes, attachment: bytes | memoryview | None = None) -> Response:
    """Status 200 with `content`, followed by `attachment` (its length is the reader's to know)."""
    if attachment is None:
        return Response(content, media_type=OCTETS)
    return _Followed(content, attachment)


def error_answer(error: VeilmartError) -> Response:
    """The error's own HTTP status, its code and detail as MessagePack."""
    return Response(encode_error(error), error.http_status, media_type=OCTETS)


def told(fault: Exception) -> VeilmartError:
    """The error that a peer receives for an exception.

    A typed error crosses unchanged, any other one as `ServerFault`. Failures of our own disk or
    database are not described: the answer is `ServerBusy` while a database is away, else a fault.
    The log gets the class and place of a fault only: its text may quote a message.
    """
    if isinstance(fault, DatabaseAway):
        return ServerBusy()
    if isinstance(fault, VeilmartError) and not isinstance(fault, StorageFailure):
        return fault
    frames = traceback.extract_tb(fault.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].lineno}" if frames else "unknown"
    _log.error("server fault", kind=type(fault).__name__, place=place)
    return ServerFault()


def answer_errors(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers every exception with a typed error."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as fault:
            return error_answer(told(fault))

    return guarded
