"""A merchant's shop of 10,000 products, and its face in this process: for the test and the bench.

The rows are written as `merchant import` would have left them; there are no bytes behind them.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, insert
from starlette.types import ASGIApp

from tests.support.scripted_merchant import BROKER_URL, FakeBroker
from veilmart.crypto.identity import generate_identity
from veilmart.merchant.goods.shelves import create_shelf
from veilmart.merchant.home import MerchantHome, create_merchant, open_merchant
from veilmart.merchant.schema.tables import products
from veilmart.merchant.web.desk import Desk
from veilmart.merchant.web.plan import merchant_plan
from veilmart.terminal.clock import unix_now
from veilmart.web.face import build_app
from veilmart.web.guard import Doorplate
from veilmart.web.plan import build_web

PRODUCTS = 10_000
SHELVES = 8
PIECES = os.urandom(32 * 64)  # the piece list of 64 MiB: what a list of goods must not read
ORIGIN = "http://5f0c3e.localhost:8123"


def fill(connection: Connection) -> None:
    """Transaction: eight shelves with 10,000 products between them."""
    shelves = [
        create_shelf(connection, f"shelf {number}", 500, number << 26)
        for number in range(1, SHELVES + 1)
    ]
    rows = [
        {
            "id": number.to_bytes(16, "big"),
            "shelf": shelves[number % SHELVES].id,
            "version": 1,
            "file_name": f"chart-{number:05}.pdf",
            "title": f"Chart of the northern sky, sheet {number:05} {'W' * 120}",
            "description": "Stars down to the ninth magnitude. " * 40,
            "size": 60 << 20,
            "root": number.to_bytes(32, "big"),
            "pieces": PIECES,
            "available": True,
            "removed": False,
            "added_at": 1_790_000_000,
            "tags": f"stars\nsheet {number % 100}",
            "wish": None,
            "source": None,
            "codes": False,
            "in_stock": True,
        }
        for number in range(PRODUCTS)
    ]
    connection.execute(insert(products), rows)


@dataclass
class OpenFace:
    """A face in memory. cookie: of a session that has entered."""

    app: ASGIApp
    cookie: str
    market: MerchantHome

    def ask(self, method: str, path: str, **form: str) -> tuple[int, dict[bytes, bytes], bytes]:
        """(status, headers, body) of one request of the person's browser."""
        return asyncio.run(self._ask(method, path, urlencode(form).encode()))

    async def _ask(
        self, method: str, path: str, body: bytes
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        where, _, query = path.partition("?")
        headers = [
            (b"host", ORIGIN.removeprefix("http://").encode()),
            (b"cookie", self.cookie.encode()),
            (b"origin", ORIGIN.encode()),
            (b"sec-fetch-site", b"same-origin"),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ]
        scope = {
            "type": "http",
            "scheme": "http",
            "method": method,
            "path": where,
            "raw_path": where.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "server": ("5f0c3e.localhost", 8123),
        }
        await self.app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], dict(sent[0]["headers"]), body


@contextmanager
def large_shop(home: Path) -> Iterator[OpenFace]:
    """The merchant's face over a shop of 10,000 products."""
    create_merchant(home, "shop", BROKER_URL, FakeBroker(generate_identity()).known)
    with open_merchant(home) as market:
        market.database.run_now(fill)

        async def build() -> OpenFace:
            plan = merchant_plan(Desk(market, unix_now, os.urandom))
            web = build_web(plan, asyncio.Event())
            secret = web.entrance.enter(web.entrance.issue_ticket())
            app = build_app(plan, web, Doorplate.of(ORIGIN))
            return OpenFace(app, f"veilmart-8123={secret}", market)

        yield asyncio.run(build())
