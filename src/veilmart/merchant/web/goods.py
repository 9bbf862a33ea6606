"""Goods: what is on sale, its words, adding by upload or by path, taking off the shelf."""

import asyncio
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from veilmart.errors import BadSourceFile, VeilmartError
from veilmart.limits import SAMPLE_MAX_BYTES
from veilmart.merchant.goods.product_search import (
    product_by_id,
    products_by_id,
    search_products,
)
from veilmart.merchant.goods.products import (
    ShopProduct,
    edit_product,
    remove_product,
)
from veilmart.merchant.goods.shelves import load_shelves
from veilmart.merchant.goods.showcases import Sample, change_look, look_of
from veilmart.merchant.stocking.adding import Added, add_products
from veilmart.merchant.stocking.covers import encode_cover, read_bounded
from veilmart.merchant.stocking.packing import Source, look_at, sold_name, sources_in
from veilmart.merchant.web.desk import Desk, file_of, in_steps, in_thread, price_of
from veilmart.merchant.web.uploads import Uploads
from veilmart.web.acts import Act, Acts
from veilmart.web.forms import Form, read_form
from veilmart.web.jobs import Report
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post, put
from veilmart.web.rendering import go_to
from veilmart.web.searching import Search

ADD = "add goods"


class GoodsPages:
    """Uploads are streamed to the home folder in parts; the use case packs them as a job."""

    def __init__(self, desk: Desk, web: Web, acts: Acts) -> None:
        self._desk, self._web, self._acts = desk, web, acts
        self._search = Search(web, "/goods")
        self._uploads = Uploads(desk.market.home.path / "uploads", desk.random)

    def routes(self) -> list[WebRoute]:
        return [
            get("/goods", self.goods),
            self._search.route(),
            post("/goods/add", self.add),
            get("/goods/{product}", self.product),
            post("/goods/{product}", self.edit),
            post("/goods/{product}/look", self.look),
            post("/goods/{product}/remove", self.remove),
            post("/uploads", self.begin_upload),
            get("/uploads/{upload}", self.upload_state),
            put("/uploads/{upload}", self.upload_part),
        ]

    async def goods(self, request: Request) -> Response:
        return await self._goods(request)

    async def _goods(self, request: Request, error: VeilmartError | None = None) -> Response:
        wanted = self._search.words(request)
        paged = one_page(request, await self._desk.read(search_products, wanted))
        products = await self._desk.read(products_by_id, paged.rows)
        shelves = {shelf.id: shelf for shelf in await self._desk.read(load_shelves)}
        name = self._web.names.name
        return self._web.pages.page(
            request,
            "goods.html",
            paged=paged,
            rows=[(p, shelves[p.shelf], name("product", p.id)) for p in products],
            wanted=wanted,
            money=await self._desk.money(),
            uploads=await asyncio.to_thread(self._uploads.complete),
            error=error,
        )

    async def _find(self, request: Request) -> ShopProduct:
        wanted = self._web.names.value("product", request.path_params["product"])
        return await self._desk.read(product_by_id, wanted)

    async def product(self, request: Request) -> Response:
        return await self._product(request)

    async def _product(self, request: Request, error: VeilmartError | None = None) -> Response:
        product = await self._find(request)
        shelves = {shelf.id: shelf for shelf in await self._desk.read(load_shelves)}
        return self._web.pages.page(
            request,
            "goods_product.html",
            product=product,
            shelf=shelves[product.shelf],
            key=request.path_params["product"],
            look=await self._desk.read(look_of, product.id),
            money=await self._desk.money(),
            error=error,
        )

    async def look(self, request: Request) -> Response:
        """Replace or remove cover and sample; an empty field keeps what there is."""
        form, product = await read_form(request), await self._find(request)
        try:
            cover = await asyncio.to_thread(_cover, form)
            sample = await asyncio.to_thread(_sample, form)
            await self._desk.write(change_look, product.id, cover=cover, sample=sample)
        except VeilmartError as error:
            return await self._product(request, error)
        return go_to(f"/goods/{request.path_params['product']}")

    async def edit(self, request: Request) -> Response:
        form, product = await read_form(request), await self._find(request)
        try:
            await self._desk.write(
                edit_product,
                product.id,
                form.text("title"),
                form.text("description"),
                form.has("available"),
                [tag.strip() for tag in form.text("tags").splitlines() if tag.strip()],
            )
        except VeilmartError as error:
            return await self._product(request, error)
        return go_to("/goods")

    async def remove(self, request: Request) -> Response:
        """Take a product off its shelf, after its title was typed."""
        form, product = await read_form(request), await self._find(request)
        alone = form.has("alone")

        def perform() -> str:
            self._desk.market.database.run_now(remove_product, product.id, alone)
            return "/goods"

        act = Act(
            title="Take a product off its shelf",
            text="It is no longer on sale. What was sold is still delivered. Type its title to "
            "confirm.",
            button="Take it off",
            back="/goods",
            perform=in_thread(perform),
            name=product.title,
            facts=(("Title", product.title), ("File", product.file_name)),
        )
        return self._acts.ask(request, act)

    # ---- adding ---------------------------------------------------------------------------------

    async def add(self, request: Request) -> Response:
        """Put uploaded files, or files of this machine, on sale."""
        form, money = await read_form(request), await self._desk.money()
        try:
            price = price_of(form, money)
            words = (form.text("title") or None, form.text("description") or None)
            sources = await asyncio.to_thread(
                self._sources, form.all("upload"), form.text("path"), words
            )
        except VeilmartError as error:
            return await self._goods(request, error)
        alone, uploads = form.has("alone"), form.all("upload")

        async def work(report: Report) -> None:
            report.step("Packing")
            market, now = self._desk.market, self._desk.clock()
            added = await in_steps(
                lambda: add_products(
                    market, sources, price=price, alone=alone, now=now, random=self._desk.random
                ),
                report,
                Added,
            )
            await asyncio.to_thread(self._uploads.forget, uploads)
            shown = money.shown(added.shelf.price)
            report.step(f"{len(added.products)} on sale at {shown}, shelf {added.shelf.name}.")
            report.leads_to("/goods", "Goods")

        return go_to(self._web.jobs.start(ADD, "Putting goods on sale", work).path)

    def _sources(
        self, uploads: list[str], path: str, words: tuple[str | None, str | None]
    ) -> tuple[Source, ...]:
        """Raises BadSourceFile."""
        found = [
            look_at(self._uploads.path(name), file_name=self._uploads.file_name(name))
            for name in uploads
        ]
        if path:
            place = Path(path).expanduser()
            if not place.is_absolute():
                raise BadSourceFile("Give the whole path of a file or folder on this machine.")
            found += sources_in(place) if place.is_dir() else [look_at(place)]
        if not found:
            raise BadSourceFile("Choose files, or give a path.")
        if len(found) == 1 and any(words):
            only = found[0]
            found = [
                look_at(only.path, file_name=only.file_name, title=words[0], description=words[1])
            ]
        return tuple(found)

    # ---- uploads --------------------------------------------------------------------------------

    async def begin_upload(self, request: Request) -> Response:
        """A name for a file that comes in parts. The same file is found again and resumed."""
        form = await read_form(request)
        about = (form.text("name"), form.text("size"), form.text("changed"))
        upload = await asyncio.to_thread(self._uploads.begin, *about)
        return JSONResponse({"upload": upload.name, "offset": upload.offset})

    async def upload_state(self, request: Request) -> Response:
        """How many bytes are stored: where to go on."""
        upload = await asyncio.to_thread(self._uploads.find, request.path_params["upload"])
        return JSONResponse({"upload": upload.name, "offset": upload.offset})

    async def upload_part(self, request: Request) -> Response:
        """The next part, at most 8 MiB, at the offset that is stored."""
        upload = await self._uploads.take_part(
            request.path_params["upload"], request.query_params.get("offset", ""), request
        )
        return JSONResponse({"upload": upload.name, "offset": upload.offset})


def _cover(form: Form) -> bytes | None:
    """The new cover, empty to remove it, None to keep it. Raises BadSourceFile."""
    if form.has("no_cover"):
        return b""
    return encode_cover(file_of(form, "cover")) if form.text("cover") else None


def _sample(form: Form) -> Sample | None:
    """The new sample, empty to remove it, None to keep it. Raises BadSourceFile, BadName."""
    if form.has("no_sample"):
        return "", b""
    if not form.text("sample"):
        return None
    path = file_of(form, "sample")
    return sold_name(path.name), read_bounded(path, SAMPLE_MAX_BYTES)
