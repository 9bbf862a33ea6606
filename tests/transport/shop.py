"""An application with an endpoint for each kind of answer, served on a port of this machine."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.streaming import served
from veilmart.errors import InsufficientBalance
from veilmart.transport.answers import answer_errors, binary_answer
from veilmart.transport.body import read_body

MAX_BYTES = 1000


class Shop:
    """A small application, and what its endpoints saw."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def echo(self, request: Request) -> Response:
        body = await read_body(request, MAX_BYTES)
        self.bodies.append(body)
        return binary_answer(body, b"!")

    async def refuse(self, _request: Request) -> Response:
        raise InsufficientBalance("5 short")

    async def fail(self, _request: Request) -> Response:
        raise KeyError("a secret")

    async def wait(self, request: Request) -> Response:
        self.entered.set()
        await self.release.wait()
        return binary_answer(b"waited")

    def application(self) -> Starlette:
        places = {"/echo": self.echo, "/refuse": self.refuse, "/fail": self.fail}
        routes = [
            Route(path, answer_errors(endpoint), methods=["POST"])
            for path, endpoint in places.items()
        ]
        return Starlette(routes=[*routes, Route("/wait", answer_errors(self.wait))])


def running(shop: Shop, **options: Any) -> AbstractAsyncContextManager[tuple[int, asyncio.Event]]:
    """The port, and what stops it."""
    return served(shop.application(), shop.release, **options)
