"""Every page of the three faces stands behind the guard: asked with a stolen cookie, none answers.

The browser's attacks (tests/web/attacks) show that a browser sends no more than what is tried here;
this goes through all routes of the real faces, each way in that must not be one.
"""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import Response

from tests.support.scripted_merchant import BROKER_URL, FakeBroker
from veilmart.broker.home import initialise
from veilmart.broker.web.desk import Desk as BrokerDesk
from veilmart.broker.web.plan import broker_plan
from veilmart.crypto.identity import generate_identity
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.customer.web.desk import Desk as CustomerDesk
from veilmart.customer.web.plan import customer_plan
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.merchant.web.desk import Desk as MerchantDesk
from veilmart.merchant.web.plan import merchant_plan
from veilmart.terminal.clock import unix_now
from veilmart.web.face import build_app
from veilmart.web.guard import Doorplate
from veilmart.web.headers import SECURITY_HEADERS
from veilmart.web.plan import Plan, WebRoute, build_web

ORIGIN = "http://5f0c3e.localhost:8123"
HOST = b"5f0c3e.localhost:8123"
Headers = list[tuple[bytes, bytes]]

STRANGERS: dict[str, Callable[[bytes], Headers]] = {
    "another name": lambda cookie: _headers(cookie, host=b"evil.localhost:8123"),
    "a rebound name": lambda cookie: _headers(cookie, host=b"evil.test:8123"),
    "the bare address": lambda cookie: _headers(cookie, host=b"127.0.0.1:8123"),
    "another port": lambda cookie: _headers(cookie, host=b"5f0c3e.localhost:8124"),
    "a page of another site": lambda cookie: _headers(cookie, site=b"cross-site"),
    "a sibling name": lambda cookie: _headers(cookie, site=b"same-site"),
    "no cookie": lambda cookie: _headers(b""),
    "an invented cookie": lambda cookie: _headers(b"veilmart-8123=" + b"A" * 43),
}
WRITERS = STRANGERS | {
    "a form of another origin": lambda cookie: _headers(cookie, origin=b"http://evil.test"),
    "a form of a file": lambda cookie: _headers(cookie, origin=b"null"),
    "a form that names no origin": lambda cookie: _headers(cookie, origin=b""),
    "a form that names no site": lambda cookie: _headers(cookie, site=b""),
    "a form from the address line": lambda cookie: _headers(cookie, site=b"none"),
}


def _headers(
    cookie: bytes,
    *,
    host: bytes = HOST,
    origin: bytes = ORIGIN.encode(),
    site: bytes = b"same-origin",
) -> Headers:
    pairs = ((b"host", host), (b"cookie", cookie), (b"origin", origin), (b"sec-fetch-site", site))
    return [(name, value) for name, value in pairs if value]


@dataclass
class Opened:
    """A face in memory. reached: routes whose endpoint was called."""

    app: Any
    routes: list[WebRoute]
    cookie: bytes
    reached: list[str]

    def ask(self, method: str, path: str, headers: Headers) -> tuple[int, Headers, bytes]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
        }
        asyncio.run(self.app(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], sent[0]["headers"], body


@pytest.fixture(scope="module", params=["customer", "merchant", "broker"])
def face(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home = tmp_path_factory.mktemp("face") / request.param
    match request.param:
        case "customer":
            wallet = open_wallet(home, unix_now, os.urandom)
            yield opened_face(lambda: customer_plan(CustomerDesk(wallet, home), None))
        case "merchant":
            create_merchant(home, "shop", BROKER_URL, FakeBroker(generate_identity()).known)
            with open_merchant(home) as market:
                desk = MerchantDesk(market, unix_now, os.urandom)
                yield opened_face(lambda: merchant_plan(desk))
        case _:
            with initialise(home, os.urandom) as broker:
                yield opened_face(lambda: broker_plan(BrokerDesk(broker, unix_now, os.urandom)))


def opened_face(make: Callable[[], Plan]) -> Opened:
    """The face as `run_face` builds it, with endpoints that only note that they were reached."""
    reached: list[str] = []

    async def build() -> tuple[Any, list[WebRoute], str]:
        plan = make()
        web = build_web(plan, asyncio.Event())
        routes = list(plan.routes(web))

        def noted(route: WebRoute) -> WebRoute:
            async def endpoint(_request: Any) -> Any:
                reached.append(f"{route.method} {route.path}")
                return Response("Reached.")

            return WebRoute(route.method, route.path, endpoint)

        watched = Plan(plan.title, plan.package, plan.menu, lambda _web: list(map(noted, routes)))
        secret = web.entrance.enter(web.entrance.issue_ticket())
        assert secret is not None
        return build_app(watched, web, Doorplate.of(ORIGIN)), routes, secret

    app, routes, secret = asyncio.run(build())
    return Opened(app, routes, b"veilmart-8123=" + secret.encode(), reached)


def concrete(path: str) -> str:
    return re.sub(r"\{\w+(:\w+)?\}", "5", path)


def test_its_person_reaches_every_page(face: Opened) -> None:
    """The control: with the right headers all of them answer."""
    face.reached.clear()
    for route in face.routes:
        face.ask(route.method, concrete(route.path), _headers(face.cookie))
    assert sorted(face.reached) == sorted(f"{r.method} {r.path}" for r in face.routes)
    assert len(face.reached) > 20


@pytest.mark.parametrize("stranger", list(WRITERS))
def test_nobody_else_reaches_any_page(face: Opened, stranger: str) -> None:
    face.reached.clear()
    asked = 0
    for route in face.routes:
        if route.method == "GET" and stranger not in STRANGERS:
            continue
        asked += 1
        headers = WRITERS[stranger](face.cookie)
        status, answered, body = face.ask(route.method, concrete(route.path), headers)
        assert status == 403, route.path
        assert set(SECURITY_HEADERS) <= set(answered)
        assert len(body) < 2000 and b"Fingerprint" not in body
    assert asked > 5 and face.reached == []


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"])
def test_no_page_answers_another_method(face: Opened, method: str) -> None:
    face.reached.clear()
    for route in face.routes:
        status, _answered, _body = face.ask(method, concrete(route.path), _headers(face.cookie))
        assert status == 403
    assert face.reached == []
