"""The page with three columns; the person buys in the first."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.hints import HINTS
from veilmart.customer.web.open_shop import OpenShop
from veilmart.customer.web.progress import Progress
from veilmart.demo.market import Stage
from veilmart.demo.web.columns import Columns, look, products_of
from veilmart.demo.web.watched_client import Watch
from veilmart.errors import NoSuchProduct
from veilmart.protocol.catalogue import Product
from veilmart.web.forms import read_form
from veilmart.web.jobs import Job, Report
from veilmart.web.plan import Plan, Web, WebRoute, get, post
from veilmart.web.rendering import MenuEntry, go_to

LOOK_EVERY_SECONDS = 0.4
KEY = "buy"


class LivePages:
    """One customer, one shop, one purchase at a time."""

    def __init__(self, desk: Desk, web: Web, stage: Stage, watch: Watch, shop: OpenShop) -> None:
        self._desk, self._web = desk, web
        self._stage, self._watch, self._shop = stage, watch, shop

    def routes(self) -> list[WebRoute]:
        return [
            get("/", self.page),
            get("/columns/stream", self.stream),
            post("/buy", self.buy),
            post("/step", self.step),
        ]

    async def page(self, request: Request) -> Response:
        return self._web.pages.page(
            request,
            "columns.html",
            now=await self._look(),
            products=products_of(self._shop),
            attack=self._watch.attack,
            step=self._watch.gate.step,
        )

    async def stream(self, request: Request) -> Response:
        return self._web.streams.response(self._pieces(), self._web.still_open(request))

    async def _pieces(self) -> AsyncIterator[str]:
        before = ""
        while True:
            piece = self._web.pages.part("columns_now.html", now=await self._look())
            if piece != before:
                before = piece
                yield piece
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _look(self) -> Columns:
        desk = self._desk
        login = desk.login()
        return await asyncio.to_thread(
            look,
            self._stage,
            self._watch,
            self._web.jobs.latest(KEY),
            None if desk.balance is None else desk.balance.amount,
            desk.out,
            "" if login is None else login.username,
        )

    async def step(self, request: Request) -> Response:
        """One exchange goes on."""
        self._watch.gate.go_on()
        return go_to("/")

    async def buy(self, request: Request) -> Response:
        """Begin a purchase, or show the one that is going on."""
        product = (await read_form(request)).text("product")
        self.begin(product)
        return go_to("/")

    def begin(self, product: str) -> Job:
        return self._web.jobs.start(KEY, "Buying", lambda report: self._buy(product, report))

    async def _buy(self, product: str, report: Report) -> None:
        desk = self._desk
        observe = Progress(report, self._shop.decimals)
        async with (
            desk.moving(report),
            desk.visit(observe=observe, open_client=self._watch.open) as shopper,
        ):
            bought = await _purchase(shopper, desk, self._shop, product)
        report.step(f"The file is here: {bought.file_name}")


async def _purchase(shopper: Shopper, desk: Desk, shop: OpenShop, product: str) -> Product:
    """The same use case as the command's, on the watched connection."""
    menu = await shopper.browse(shop.menu.merchant.fingerprint)
    chosen = next((p for p in menu.products if p.id.hex() == product), None)
    if chosen is None:
        raise NoSuchProduct
    await shopper.buy(menu, chosen, desk.out, lambda quote: True, AccountPayment())
    return chosen


def live_plan(desk: Desk, stage: Stage, watch: Watch, shop: OpenShop) -> Plan:
    """The demonstration's face."""

    def routes(web: Web) -> Sequence[WebRoute]:
        return LivePages(desk, web, stage, watch, shop).routes()

    return Plan(
        title="veilmart demonstration",
        package="veilmart.demo.web",
        menu=(MenuEntry("/", "Three columns"),),
        routes=routes,
        hints=HINTS,
    )
