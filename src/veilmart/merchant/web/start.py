"""Start page: the steps before the first sale, then the sales; the link for customers."""

from dataclasses import dataclass

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from veilmart.errors import VeilmartError
from veilmart.merchant.goods.product_search import products_per_shelf
from veilmart.merchant.goods.shop_row import read_shop, set_about
from veilmart.merchant.home import SERVER_LOCK
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.publishing.shop_link import shop_link
from veilmart.merchant.sales.orders import load_sales
from veilmart.merchant.web.desk import Desk
from veilmart.protocol.order_states import OrderState
from veilmart.web.forms import read_form
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.qr_codes import qr_picture
from veilmart.web.rendering import go_to


@dataclass(frozen=True)
class Standing:
    """products: on sale. about: whether there is a line about the shop. balance: minor units.

    sold, waiting: orders that are settled, and paid ones on their way.
    """

    products: int
    lonely: int
    about: bool
    balance: int
    sold: int
    waiting: int


def read_standing(conn: Connection) -> Standing:
    """One snapshot of the shop."""
    per_shelf = products_per_shelf(conn)
    brokers, sales = load_brokers(conn), load_sales(conn)

    def count(state: OrderState) -> int:
        return sum(line.count for line in sales if line.state == state)

    return Standing(
        products=sum(per_shelf.values()),
        lonely=sum(1 for count_on in per_shelf.values() if count_on == 1),
        about=bool(read_shop(conn).about),
        balance=sum(broker.balance for broker in brokers),
        sold=count(OrderState.SETTLED),
        waiting=count(OrderState.PAID),
    )


class StartPages:
    """The start page, the link, and the line about the shop."""

    def __init__(self, desk: Desk, web: Web) -> None:
        self._desk, self._web = desk, web

    def routes(self) -> list[WebRoute]:
        return [
            get("/", self.home),
            get("/link", self.link),
            post("/about", self.set_about),
        ]

    async def home(self, request: Request) -> Response:
        return self._web.pages.page(
            request,
            "start.html",
            standing=await self._desk.read(read_standing),
            started=self._desk.market.home.has(f"{SERVER_LOCK}.lock"),
            money=await self._desk.money(),
            own=self._desk.market.fingerprint,
        )

    async def set_about(self, request: Request) -> Response:
        """Nothing is lost by setting it again, so it is not asked for twice."""
        form = await read_form(request)
        try:
            await self._desk.write(set_about, form.text("about").strip())
        except VeilmartError as error:
            return await self._link(request, error)
        return go_to("/link")

    async def link(self, request: Request) -> Response:
        return await self._link(request)

    async def _link(self, request: Request, error: VeilmartError | None = None) -> Response:
        """Link, QR code, a button to paste into another site, and the line beside the name."""
        link = str(await self._desk.read(shop_link, self._desk.market.fingerprint, None))
        button = Markup('<a href="{}" rel="nofollow">Buy with veilmart</a>').format(link)
        return self._web.pages.page(
            request,
            "link.html",
            link=link,
            picture=qr_picture(link, scale=4),
            button=str(button),
            about=(await self._desk.read(read_shop)).about,
            error=error,
        )
