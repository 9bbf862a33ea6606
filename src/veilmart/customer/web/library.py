"""The library: what is owned; open it, fetch it again, fetch a newer version."""

import asyncio
import webbrowser
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from veilmart.customer.display.order_lines import OrderLine, order_line
from veilmart.customer.library.updates import (
    current_product,
    fetch_again,
    owned_orders,
    plan_updates,
)
from veilmart.customer.wallet.copies import newest_copies
from veilmart.customer.wallet.orders import Order, described, get_order
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.open_shop import fetch_shop
from veilmart.customer.web.progress import Progress
from veilmart.errors import BadArgument, NoSuchOrder
from veilmart.protocol.catalogue import NO_ROOT, Product
from veilmart.protocol.descriptor import read_descriptor
from veilmart.web.jobs import Report
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import format_size, go_to

NEWS_MAX_CHARACTERS = 400
# What a program for it shows and does not run.
OPENED = frozenset(
    (".pdf", ".epub", ".txt", ".md", ".csv", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp3")
) | frozenset((".ogg", ".opus", ".flac", ".wav", ".mp4", ".webm", ".mkv", ".m4a"))


@dataclass(frozen=True)
class Owned:
    """path: where its newest file is, None if it is not there any more. news: what changed."""

    name: str
    line: OrderLine
    version: int
    path: Path | None
    news: list[str]
    newer: int | None

    @property
    def opens(self) -> bool:
        return self.path is not None and self.path.suffix.lower() in OPENED


class LibraryPages:
    """Fetching happens on anonymous connections, one for an order."""

    def __init__(self, desk: Desk, web: Web) -> None:
        self._desk, self._web = desk, web

    def routes(self) -> list[WebRoute]:
        return [
            get("/library", self.library),
            post("/library/look", self.look),
            post("/library/{order}/open", self.open),
            post("/library/{order}/fetch", self.fetch),
            post("/library/{order}/newest", self.newest),
        ]

    async def library(self, request: Request) -> Response:
        paged = one_page(request, await asyncio.to_thread(self._owned))
        return self._web.pages.page(request, "library.html", paged=paged, out=str(self._desk.out))

    def _owned(self) -> list[Owned]:
        wallet = self._desk.wallet
        copies = wallet.database.run_now(newest_copies)
        found = []
        for order in owned_orders(wallet):
            copy = copies.get(order.order)
            place = order.file_path if copy is None else copy.file_path
            version = order.version if copy is None else copy.version
            product = self._on_sale(order)
            newer = product is not None and product.version > version
            path = Path(place) if place and Path(place).exists() else None
            news = _news(order, version, path, product) if product is not None and newer else []
            found.append(
                Owned(
                    name=self._web.names.name("order", order.order),
                    line=order_line(order),
                    version=version,
                    path=path,
                    news=news,
                    newer=product.version if product is not None and newer else None,
                )
            )
        return found

    def _on_sale(self, order: Order) -> Product | None:
        shop = self._desk.shops.get(order.merchant)
        return None if shop is None else current_product(shop.menu, order)

    async def open(self, request: Request) -> Response:
        """Open a finished file with the machine's own program for it, or show its folder."""
        order = await self._find(request)
        rows = await asyncio.to_thread(self._owned)
        row = next((r for r in rows if r.line.order == order.order.hex()), None)
        if row is None or row.path is None:
            raise BadArgument("The file is not there any more; fetch it again.")
        target = row.path if row.opens else row.path.parent
        await asyncio.to_thread(webbrowser.open, target.as_uri())
        return go_to("/library")

    async def fetch(self, request: Request) -> Response:
        """The version that was bought."""
        return await self._begin(request, newest=False)

    async def newest(self, request: Request) -> Response:
        """The version that is on sale now."""
        return await self._begin(request, newest=True)

    async def _begin(self, request: Request, *, newest: bool) -> Response:
        order = await self._find(request)
        key = f"fetch {order.order.hex()} {newest}"

        async def work(report: Report) -> None:
            decimals = read_descriptor(order.broker_descriptor).descriptor.decimals
            observe = Progress(report, decimals)
            async with (
                self._desk.moving(report),
                self._desk.visit_for(order, observe, anonymous=True) as shopper,
            ):
                copy = await fetch_again(shopper, order, self._desk.out, newest=newest)
            report.step(f"Version {copy.version} is here: {copy.file_path}")
            report.leads_to("/library", "Library")

        return go_to(self._web.jobs.start(key, "Fetching again", work).path)

    async def look(self, request: Request) -> Response:
        """Look for new versions at one merchant of the library."""
        job = self._web.jobs.start("news", "Looking for new versions", self._look)
        return go_to(job.path)

    async def _look(self, report: Report) -> None:
        """At one merchant, by lot; what is new is fetched later, each at a time of its own."""
        desk = self._desk
        orders = sorted(owned_orders(desk.wallet), key=_place)
        places = [list(group) for _, group in groupby(orders, key=_place)]
        if not places:
            return
        mine = places[int.from_bytes(desk.wallet.random(8), "big") % len(places)]
        async with desk.visit_for(mine[0], anonymous=True) as shopper:
            shop = desk.shops[mine[0].merchant] = await fetch_shop(
                shopper, mine[0].merchant, report
            )
            planned = plan_updates(desk.wallet, shop.menu, mine)
        found = f"{len(planned)} new version{'' if len(planned) == 1 else 's'}"
        report.step(f"{found} at {shop.menu.merchant.descriptor.name}.")
        report.leads_to("/library", "Library")

    async def _find(self, request: Request) -> Order:
        name = self._web.names.value("order", request.path_params["order"])
        order = await self._desk.wallet.database.run(get_order, name)
        if order is None:
            raise NoSuchOrder
        return order


def _place(order: Order) -> tuple[bytes, bytes]:
    return order.broker, order.merchant


def _news(order: Order, version: int, path: Path | None, product: Product) -> list[str]:
    """What the catalogue says now, compared with what was bought and with the file that is here."""
    news = [f"Version {version} is here, version {product.version} is on sale."]
    if product.title != order.title:
        news.append(f"Title: {order.title} is now {product.title}.")
    if product.file_name != order.file_name:
        news.append(f"File: {order.file_name} is now {product.file_name}.")
    if product.root != NO_ROOT:
        had = None if path is None else path.stat().st_size
        size = format_size(product.size)
        same = had is None or format_size(had) == size
        news.append(f"Size: {size}." if same else f"Size: {format_size(had or 0)}, now {size}.")
    if order.described not in (None, described(product)):
        news.append(f"Description: {product.description[:NEWS_MAX_CHARACTERS] or 'none any more'}")
    return news
