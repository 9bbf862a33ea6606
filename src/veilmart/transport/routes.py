"""Which endpoint answers which path, over HTTP and over streams.

Every question of a purchase goes to one of a few fixed paths by POST, or in a frame that stands
for it; its endpoint takes and gives bytes and does not know which. Everything else (descriptors by
number, wrong methods, unknown paths) is Starlette's, also when a frame asks for it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from veilmart.errors import MalformedMessage, MessageTooLarge, UnexpectedAnswer, from_wire
from veilmart.protocol.stream_frames import PATHS, Kind
from veilmart.transport.answers import answer_errors, binary_answer, told
from veilmart.transport.body import asker, read_body
from veilmart.transport.frame_exchange import Answered, FrameExchange
from veilmart.transport.wire_error import WireError

Endpoint = Callable[[bytes, str], Awaitable[Answered]]
"""(body, owner as in `FairTurns`) → what answers it."""
GetEndpoint = Callable[[Request], Awaitable[Response]]
Dial = Callable[[FrameExchange, bytes], Awaitable[bytes]]
"""A merchant has dialled: (its stream, body) → the answer."""
_OK = 200
_named = msgspec.msgpack.Decoder(WireError)


@dataclass(frozen=True)
class Post:
    """max_bytes: of the body."""

    endpoint: Endpoint
    max_bytes: int

    async def answer(self, request: Request) -> Response:
        body = await read_body(request, self.max_bytes)
        return binary_answer(*await self.endpoint(body, asker(request)))


class Routes:
    """An ASGI application, and what answers frames. Every exception becomes an answer."""

    def __init__(
        self,
        posts: Mapping[str, Post],
        gets: Sequence[tuple[str, GetEndpoint]],
        dial: Dial | None = None,
    ) -> None:
        """`posts`: exact paths. `gets`: paths as Starlette writes them, "/v1/x/{serial}"."""
        self._frames = {kind: posts[path] for kind, path in PATHS.items() if path in posts}
        self._dial = dial
        self._posts = {path: answer_errors(post.answer) for path, post in posts.items()}
        self._others = Starlette(
            routes=[
                *(
                    Route(path, endpoint, methods=["POST"])
                    for path, endpoint in self._posts.items()
                ),
                *(Route(path, answer_errors(endpoint), methods=["GET"]) for path, endpoint in gets),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._posts.get(scope["path"])
            if endpoint is not None:
                response = await endpoint(Request(scope, receive))
                await response(scope, receive, send)
                return
        await self._others(scope, receive, send)

    async def answer_frame(self, exchange: FrameExchange, kind: Kind, body: bytes) -> Answered:
        """What answers a frame. Raises typed errors only, which may all cross the wire."""
        try:
            return await self._answer_frame(exchange, kind, body)
        except Exception as fault:
            raise told(fault) from None

    async def _answer_frame(self, exchange: FrameExchange, kind: Kind, body: bytes) -> Answered:
        post = self._frames.get(kind)
        if post is not None:
            if len(body) > post.max_bytes:
                raise MessageTooLarge(f"{len(body)} bytes, {post.max_bytes} at most.")
            return await post.endpoint(body, exchange.owner)
        if kind is Kind.GET:
            return await self._get(body, exchange.owner), None
        if kind is Kind.DIAL and self._dial is not None:
            return await self._dial(exchange, body), None
        raise MalformedMessage("Nothing here answers this kind of frame.")

    async def _get(self, path: bytes, owner: str) -> bytes:
        """The body of the answer to a GET. Raises the error that it names."""
        if not path.startswith(b"/v1/") or not path.isascii() or b"?" in path:
            raise MalformedMessage("A frame asks for a path that is none.")
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": path.decode(),
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "client": (owner, 0),
        }
        status, parts = 0, []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        await self._others(scope, receive, send)
        content = b"".join(parts)
        if status != _OK:
            named = _named.decode(content) if content.startswith(b"\x82") else None
            raise UnexpectedAnswer if named is None else from_wire(named.code, named.detail)
        return content
