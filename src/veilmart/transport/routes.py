"""Which endpoint answers which path.

Every request of a purchase is a POST to one of a few fixed paths; those go straight to their
endpoint. Everything else (descriptors by number, wrong methods, unknown paths) is Starlette's.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from veilmart.transport.answers import answer_errors

Endpoint = Callable[[Request], Awaitable[Response]]


class Routes:
    """An ASGI application. Every exception of an endpoint becomes an answer."""

    def __init__(self, posts: Mapping[str, Endpoint], gets: Sequence[tuple[str, Endpoint]]) -> None:
        """`posts`: exact paths. `gets`: paths as Starlette writes them, "/v1/x/{serial}"."""
        self._posts = {path: answer_errors(endpoint) for path, endpoint in posts.items()}
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
