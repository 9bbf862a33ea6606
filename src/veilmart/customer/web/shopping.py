"""Merchants, a shop with its covers, a product. All searches run on this machine."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from veilmart.customer.connection.directory import read_directory
from veilmart.customer.display.lists import deal_of
from veilmart.customer.trust.pins import pinned_merchant, pinned_merchants
from veilmart.customer.wallet.orders import owned
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.open_shop import Filter, OpenShop, fetch_shop
from veilmart.errors import NotPinned, PageOutdated
from veilmart.protocol.catalogue import Product
from veilmart.protocol.showcase import Picture
from veilmart.storage.files.names import check_file_name
from veilmart.storage.files.partial_file import PartialFile
from veilmart.web.forms import Form, read_form
from veilmart.web.jobs import Report
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import asked_by_htmx, go_to

SHOP_WAIT_SECONDS = 8
MERCHANT_BYTES = 32
SAMPLE_SHOWN_CHARACTERS = 4000


class ShoppingPages:
    """Names of products are merchant fingerprint (32) ‖ product id (16)."""

    def __init__(self, desk: Desk, web: Web) -> None:
        self._desk, self._web = desk, web

    def routes(self) -> list[WebRoute]:
        return [
            get("/merchants", self.merchants),
            post("/merchants/read", self.read),
            get("/shop/{merchant}", self.shop),
            post("/shop/{merchant}/list", self.filtered),
            post("/shop/{merchant}/fetch", self.fetch),
            get("/product/{product}", self.product),
            get("/cover/{product}", self.cover),
            post("/product/{product}/sample", self.save_sample),
        ]

    # ---- merchants ------------------------------------------------------------------------------

    async def merchants(self, request: Request) -> Response:
        """Those the wallet knows, and the directory once it was read."""
        desk = self._desk
        broker = desk.broker()
        known = await desk.wallet.database.run(pinned_merchants, broker.fingerprint)
        name = self._web.names.name
        shops = [(name("merchant", pin.fingerprint), self._title(pin.fingerprint)) for pin in known]
        pinned = {pin.fingerprint for pin in known}
        directory = None
        if desk.directory is not None:
            directory = [(entry, entry.fingerprint in pinned) for entry in desk.directory]
        return self._web.pages.page(
            request,
            "merchants.html",
            shops=shops,
            directory=directory if directory is None else one_page(request, directory),
        )

    async def read(self, request: Request) -> Response:
        """Read the broker's directory, on an anonymous connection, whole."""
        async with self._desk.visit(anonymous=True) as shopper:
            self._desk.directory = await read_directory(shopper)
        return go_to("/merchants")

    def _title(self, merchant: bytes) -> str:
        shop = self._desk.shops.get(merchant)
        if shop is not None:
            return shop.menu.merchant.descriptor.name
        for entry in self._desk.directory or ():
            if entry.fingerprint == merchant:
                return entry.name
        return ""

    # ---- a shop ---------------------------------------------------------------------------------

    async def shop(self, request: Request) -> Response:
        """Open a shop: fetched once, then shown from memory."""
        merchant = self._web.names.value("merchant", request.path_params["merchant"])
        shop = self._desk.shops.get(merchant)
        if shop is None:
            return await self._fetch(merchant)
        wanted = self._desk.wanted
        if wanted is not None and wanted.merchant == merchant and wanted.product:
            self._desk.wanted = None
            product = _named(shop, wanted.product)
            if product is not None:
                return go_to(f"/product/{self._name(shop, product)}")
        return self._list(request, shop, Filter())

    async def filtered(self, request: Request) -> Response:
        """The same with a search; by POST, because addresses are kept by browsers."""
        shop = self._open(request)
        return self._list(request, shop, _read_filter(await read_form(request)))

    async def fetch(self, request: Request) -> Response:
        """Fetch catalogue and covers anew."""
        merchant = self._web.names.value("merchant", request.path_params["merchant"])
        self._desk.shops.pop(merchant, None)
        return await self._fetch(merchant)

    async def _fetch(self, merchant: bytes) -> Response:
        desk, path = self._desk, f"/shop/{self._web.names.name('merchant', merchant)}"
        broker = desk.broker().fingerprint
        if await desk.wallet.database.run(pinned_merchant, broker, merchant) is None:
            raise NotPinned

        async def work(report: Report) -> None:
            async with desk.visit(anonymous=True) as shopper:
                desk.shops[merchant] = await fetch_shop(shopper, merchant, report)
            report.leads_to(path, "Open the shop")

        job = self._web.jobs.start(f"shop {merchant.hex()}", "Opening the shop", work)
        await self._web.jobs.wait(job, SHOP_WAIT_SECONDS)
        return go_to(path if job.state == "done" else job.path)

    def _list(self, request: Request, shop: OpenShop, wanted: Filter) -> Response:
        listed = shop.listed(wanted)
        values: dict[str, Any] = {
            "shop": shop,
            "listed": listed,
            "wanted": wanted,
            "key": self._web.names.name("merchant", shop.menu.merchant.fingerprint),
            "names": [self._name(shop, product) for product in listed.products],
        }
        if asked_by_htmx(request):
            return self._web.pages.fragment("shop_list.html", **values)
        return self._web.pages.page(request, "shop.html", **values)

    def _open(self, request: Request) -> OpenShop:
        merchant = self._web.names.value("merchant", request.path_params["merchant"])
        shop = self._desk.shops.get(merchant)
        if shop is None:
            raise PageOutdated("The shop has to be opened again.")
        return shop

    # ---- a product ------------------------------------------------------------------------------

    async def product(self, request: Request) -> Response:
        """All details of one product. Nothing is sent."""
        shop, product = self.find(request.path_params["product"])
        desk, merchant = self._desk, shop.menu.merchant.fingerprint
        mine = await desk.wallet.database.run(owned, merchant, product.id)
        sample = shop.samples.get(product.id)
        return self._web.pages.page(
            request,
            "product.html",
            shop=shop,
            product=product,
            deal=deal_of(shop.menu, product),
            key=self._name(shop, product),
            back=self._web.names.name("merchant", merchant),
            owned=mine[0] if mine else None,
            sample=sample,
            sample_text=None if sample is None else _sample_text(sample),
            paragraphs=_paragraphs(product.description),
        )

    async def cover(self, request: Request) -> Response:
        """A cover, from memory. Its header was looked at before."""
        shop, product = self.find(request.path_params["product"])
        cover = shop.covers.get(product.id)
        if cover is None:
            raise PageOutdated
        return Response(cover, media_type="image/jpeg")

    async def save_sample(self, request: Request) -> Response:
        """Files are saved by the program, not by the browser."""
        shop, product = self.find(request.path_params["product"])
        sample = shop.samples.get(product.id)
        if sample is None:
            raise PageOutdated
        path = await asyncio.to_thread(self._save, sample, product)
        return self._web.pages.page(
            request,
            "done.html",
            heading="The sample was saved",
            text=str(path),
            href=f"/product/{self._name(shop, product)}",
            label="Back to the product",
        )

    def _save(self, sample: Picture, product: Product) -> object:
        name = sample.sample_name or f"sample-{product.id.hex()[:8]}"
        with PartialFile(self._desk.out, check_file_name(name), mode=0o666) as partial:
            partial.write(sample.sample)
            return partial.finish()

    def find(self, name: str) -> tuple[OpenShop, Product]:
        """What an address names. Raises PageOutdated."""
        value = self._web.names.value("product", name)
        shop = self._desk.shops.get(value[:MERCHANT_BYTES])
        product = None if shop is None else shop.by_id.get(value[MERCHANT_BYTES:])
        if shop is None or product is None:
            raise PageOutdated("The shop has to be opened again.")
        return shop, product

    def _name(self, shop: OpenShop, product: Product) -> str:
        return self._web.names.name("product", shop.menu.merchant.fingerprint + product.id)


def _read_filter(form: Form) -> Filter:
    page = form.text("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    return Filter(form.text("words")[:200], form.text("tag"), form.text("order"), number)


def _named(shop: OpenShop, wanted: str) -> Product | None:
    """What a link's fragment names: title, or beginning of the id."""
    titled = [p for p in shop.by_id.values() if p.title == wanted]
    prefix = [p for p in shop.by_id.values() if len(wanted) >= 4 and p.id.hex().startswith(wanted)]
    found = titled or prefix
    return found[0] if len(found) == 1 else None


def _sample_text(sample: Picture) -> list[str] | None:
    """The lines of a sample that is text, None for anything else."""
    try:
        return sample.sample.decode()[:SAMPLE_SHOWN_CHARACTERS].splitlines()
    except UnicodeDecodeError:
        return None


def _paragraphs(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
