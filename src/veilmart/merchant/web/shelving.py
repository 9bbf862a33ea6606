"""Shelves: how well they hide, the plan; importing a folder with a preview; unique codes."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from veilmart.errors import BadArgument, VeilmartError
from veilmart.merchant.goods.product_search import product_by_id
from veilmart.merchant.goods.products import ShopProduct, load_products
from veilmart.merchant.sales.code_stock_windows import certain_stock
from veilmart.merchant.sales.codes import Stock, read_codes, stock
from veilmart.merchant.stocking.adding import check_price
from veilmart.merchant.stocking.anonymity_report import shelf_reports
from veilmart.merchant.stocking.comparing import Comparison, compare
from veilmart.merchant.stocking.foreseeing import foresee_import
from veilmart.merchant.stocking.importing import Imported, import_folder
from veilmart.merchant.stocking.restocking import restock_in_parts
from veilmart.merchant.stocking.shelf_moves import Applied, apply_proposal, check_proposal, propose
from veilmart.merchant.stocking.shop_folder import read_folder
from veilmart.merchant.web.desk import (
    Desk,
    Money,
    folder_of,
    in_steps,
    in_thread,
    least_products,
    price_of,
)
from veilmart.web.acts import Act, Acts
from veilmart.web.forms import read_form
from veilmart.web.jobs import Report
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post

CHANGES_SHOWN_MAX = 200


@dataclass(frozen=True)
class CodeRow:
    """A product of unique codes, and how its stock stands. certain: orders it is good for."""

    product: ShopProduct
    stock: Stock
    certain: int


def read_code_rows(conn: Connection) -> list[CodeRow]:
    counts, certain = stock(conn), certain_stock(conn)
    return [
        CodeRow(p, counts.get(p.id, Stock(p.id, 0, 0, 0)), certain.get(p.id, 0))
        for p in load_products(conn)
        if p.codes
    ]


class ShelvingPages:
    """Pages for shelves; a plan is shown before it is carried out."""

    def __init__(self, desk: Desk, web: Web, acts: Acts) -> None:
        self._desk, self._web, self._acts = desk, web, acts

    def routes(self) -> list[WebRoute]:
        return [
            get("/shelves", self.shelves),
            post("/shelves/plan", self.plan),
            get("/import", self.importing),
            post("/import", self.preview),
            get("/codes", self.codes),
            post("/codes", self.add_codes),
        ]

    async def shelves(self, request: Request) -> Response:
        return await self._shelves(request)

    async def _shelves(self, request: Request, error: VeilmartError | None = None) -> Response:
        return self._web.pages.page(
            request,
            "shelves.html",
            reports=await self._desk.read(shelf_reports),
            money=await self._desk.money(),
            error=error,
        )

    async def plan(self, request: Request) -> Response:
        """The split with the least padding, before and after; confirming moves the products."""
        form, money = await read_form(request), await self._desk.money()
        try:
            k = least_products(form)
            proposal = await self._desk.read(propose, k)
            check_proposal(proposal, form.has("alone"))
        except VeilmartError as error:
            return await self._shelves(request, error)

        async def work(report: Report) -> None:
            report.step("Moving products")
            steps = lambda: apply_proposal(self._desk.market, proposal, self._desk.random)  # noqa: E731
            done = await in_steps(steps, report, Applied)
            report.step(
                f"{done.moved} products moved, {done.created} new shelves, "
                f"{len(done.retired)} out of use."
            )
            report.leads_to("/shelves", "Shelves")

        async def perform() -> str:
            return self._web.jobs.start("shelves", "Moving products to their shelves", work).path

        shelves = tuple(
            (
                f"{money.shown(shelf.price)}, {shelf.size:,} bytes",
                f"{len(shelf.items)} products, {shelf.padding:,} bytes of padding"
                + (" (fewer than k)" if shelf.short else ""),
            )
            for shelf in proposal.shelves
        )
        act = Act(
            title="The plan with the least padding",
            text=f"Padding now {proposal.now:,} bytes, afterwards {proposal.then:,}. Empty shelves "
            "go out of use. What was sold is still delivered.",
            button="Move the products",
            back="/shelves",
            perform=perform,
            facts=shelves,
        )
        return self._acts.ask(request, act)

    # ---- a shop from a folder -------------------------------------------------------------------

    async def importing(self, request: Request) -> Response:
        return await self._importing(request)

    async def _importing(self, request: Request, error: VeilmartError | None = None) -> Response:
        money = await self._desk.money()
        return self._web.pages.page(request, "import.html", money=money, error=error)

    async def preview(self, request: Request) -> Response:
        """What an import of a folder would change."""
        form, money = await read_form(request), await self._desk.money()
        prune, alone = form.has("prune"), form.has("alone")
        try:
            folder, k = folder_of(form), least_products(form)
            usual = await self._desk.read(check_price, price_of(form, money))
            entries = await asyncio.to_thread(read_folder, folder, usual, money.decimals)
            comparison = await self._desk.read(compare, entries, k)
            await self._desk.read(foresee_import, comparison, prune=prune, alone=alone)
        except VeilmartError as error:
            return await self._importing(request, error)

        async def work(report: Report) -> None:
            report.step("Packing")
            market, now, random = self._desk.market, self._desk.clock(), self._desk.random
            steps = lambda: import_folder(  # noqa: E731
                market, comparison, prune=prune, alone=alone, now=now, random=random
            )
            done = await in_steps(steps, report, Imported)
            report.step(
                f"{done.new} new, {done.changed} changed, {done.same} as before, "
                f"{done.removed} removed; {done.shelves} new shelves."
            )
            report.leads_to("/goods", "Goods")

        async def perform() -> str:
            return self._web.jobs.start("import", "Importing a folder", work).path

        act = Act(
            title="What the import changes",
            text="Nothing has been changed yet.",
            button="Import",
            back="/import",
            perform=perform,
            facts=_changes(comparison, money, prune),
        )
        return self._acts.ask(request, act)

    # ---- unique codes ---------------------------------------------------------------------------

    async def codes(self, request: Request) -> Response:
        return await self._codes(request)

    async def _codes(self, request: Request, error: VeilmartError | None = None) -> Response:
        name = self._web.names.name
        paged = one_page(request, await self._desk.read(read_code_rows))
        return self._web.pages.page(
            request,
            "codes.html",
            paged=paged,
            rows=[(row, name("codes", row.product.id)) for row in paged.rows],
            error=error,
        )

    async def add_codes(self, request: Request) -> Response:
        """More codes for a product that has some. New products come by a folder's .codes file."""
        form = await read_form(request)
        wanted = self._web.names.value("codes", form.text("product"))
        try:
            lines = read_codes(form.secret("codes").splitlines())
        except BadArgument as error:
            return await self._codes(request, error)

        def perform() -> str:
            market = self._desk.market
            product = market.database.read_now(product_by_id, wanted)
            restock_in_parts(market, product, lines, self._desk.random)
            return "/codes"

        act = Act(
            title="Add codes",
            text="Each code is sold once. Codes that are known already are left alone.",
            button="Add",
            back="/codes",
            perform=in_thread(perform),
            facts=(("Codes", str(len(lines))),),
        )
        return self._acts.ask(request, act)


def _changes(comparison: Comparison, money: Money, prune: bool) -> tuple[tuple[str, str], ...]:
    rows = [
        (change.entry.source.file_name, ", ".join(change.what))
        for change in comparison.changes
        if change.what
    ]
    more = len(rows) - CHANGES_SHOWN_MAX
    rows = rows[:CHANGES_SHOWN_MAX] + ([("and more", str(more))] if more > 0 else [])
    rows += [
        (
            f"New shelf at {money.shown(shelf.price)}",
            f"{len(shelf.items)} products of {shelf.size:,} bytes"
            + (", fewer than k" if shelf.short else ""),
        )
        for shelf in comparison.planned
    ]
    rows += [
        (product.file_name, "removed" if prune else "not in the folder, stays on sale")
        for product in comparison.gone
    ]
    return tuple(rows) or (("Changes", "none"),)
