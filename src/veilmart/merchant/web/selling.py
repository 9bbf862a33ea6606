"""Orders and refunds, sales by day and product, payouts, comparing the books with the broker."""

from collections import Counter

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from veilmart.errors import VeilmartError
from veilmart.merchant.back_office.exports import SoldOrder, sold_orders
from veilmart.merchant.back_office.operator_requests import ask_to_withdraw
from veilmart.merchant.back_office.reconcile import reconcile_books
from veilmart.merchant.back_office.refunds import find_refundable, refund_order
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.web.desk import Desk
from veilmart.protocol.accounting import parse_amount
from veilmart.protocol.typed_text import sought
from veilmart.web.acts import Act, Acts
from veilmart.web.charts import bar_chart
from veilmart.web.forms import query, read_form
from veilmart.web.jobs import Report
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import format_day, go_to
from veilmart.web.searching import Search

DAYS_SHOWN = 30
DAY_SECONDS = 86400
STATES = ("paid", "settled", "refunded")


def all_sold(conn: Connection) -> list[SoldOrder]:
    return list(sold_orders(conn))


class SellingPages:
    """Pages for orders, refunds, sales, payouts and reconciliation."""

    def __init__(self, desk: Desk, web: Web, acts: Acts) -> None:
        self._desk, self._web, self._acts = desk, web, acts
        self._search = Search(web, "/orders", kept=("state",))

    def routes(self) -> list[WebRoute]:
        return [
            get("/orders", self.orders),
            self._search.route(),
            post("/orders/refund", self.refund),
            get("/sales", self.sales),
            get("/payouts", self.payouts),
            post("/payouts", self.ask_payout),
            get("/reconcile", self.reconcile),
            post("/reconcile", self.begin_reconcile),
        ]

    async def orders(self, request: Request) -> Response:
        return await self._orders(request)

    async def _orders(self, request: Request, error: VeilmartError | None = None) -> Response:
        state, wanted = query(request, "state"), self._search.words(request)
        text = sought(wanted)
        rows = [
            row
            for row in reversed(await self._desk.read(all_sold))
            if (not state or row.state == state)
            and (text in sought(row.title) or row.order.hex().startswith(text))
        ]
        paged = one_page(request, rows)
        return self._web.pages.page(
            request,
            "orders.html",
            paged=paged,
            rows=[(row, self._web.names.name("order", row.order)) for row in paged.rows],
            states=STATES,
            state=state,
            wanted=wanted,
            told=query(request, "told") == "yes",
            money=await self._desk.money(),
            error=error,
        )

    async def refund(self, request: Request) -> Response:
        form = await read_form(request)
        order = self._web.names.value("order", form.text("order"))
        try:
            found = await self._desk.read(find_refundable, order.hex())
        except VeilmartError as error:
            return await self._orders(request, error)

        async def perform() -> str:
            await refund_order(self._desk.market, found, self._desk.clock(), self._desk.random)
            return "/orders?told=yes"

        act = Act(
            title="Give an order's whole price back",
            text="The broker returns it to the buyer. After settlement it is taken from your "
            "balance. Type the product's title to confirm.",
            button="Give it back",
            back="/orders",
            perform=perform,
            name=found.line.title,
            facts=(
                ("Product", found.line.title),
                ("Price", found.line.price),
                ("State", found.line.state),
            ),
        )
        return self._acts.ask(request, act)

    async def sales(self, request: Request) -> Response:
        rows = [row for row in await self._desk.read(all_sold) if row.state == "settled"]
        money = await self._desk.money()
        today = self._desk.clock() // DAY_SECONDS
        by_day = Counter((row.ended_at or 0) // DAY_SECONDS for row in rows)
        by_title = Counter(row.title for row in rows)
        days = [
            (format_day(day * DAY_SECONDS)[5:], by_day[day])
            for day in range(today - DAYS_SHOWN + 1, today + 1)
        ]
        return self._web.pages.page(
            request,
            "sales.html",
            days=bar_chart(f"Sales in the last {DAYS_SHOWN} days", ("day", "sales"), days),
            products=one_page(request, by_title.most_common()),
            total=sum(row.price for row in rows),
            count=len(rows),
            money=money,
        )

    # ---- payouts --------------------------------------------------------------------------------

    async def payouts(self, request: Request) -> Response:
        return await self._payouts(request)

    async def _payouts(self, request: Request, error: VeilmartError | None = None) -> Response:
        return self._web.pages.page(
            request,
            "balance.html",
            brokers=await self._desk.read(load_brokers),
            told=query(request, "told") == "yes",
            money=await self._desk.money(),
            error=error,
        )

    async def ask_payout(self, request: Request) -> Response:
        form, money = await read_form(request), await self._desk.money()
        try:
            amount = parse_amount(form.text("amount"), money.decimals)
        except VeilmartError as error:
            return await self._payouts(request, error)
        note, which = form.text("note"), form.text("broker") or None

        async def perform() -> str:
            market, now = self._desk.market, self._desk.clock()
            await ask_to_withdraw(market, amount, note, now, self._desk.random, which)
            return "/payouts?told=yes"

        act = Act(
            title="Ask for a payout",
            text="The broker's operator is asked. The money leaves your balance when it is paid.",
            button="Ask",
            back="/payouts",
            perform=perform,
            facts=(("Amount", money.shown(amount)), ("Note", note)),
        )
        return self._acts.ask(request, act)

    # ---- the books ------------------------------------------------------------------------------

    async def reconcile(self, request: Request) -> Response:
        job = self._web.jobs.latest("reconcile")
        return self._web.pages.page(
            request, "reconcile.html", job=job, money=await self._desk.money()
        )

    async def begin_reconcile(self, request: Request) -> Response:
        async def work(report: Report) -> object:
            report.step("Fetching the broker's signed statement")
            done = await reconcile_books(self._desk.market, self._desk.clock(), self._desk.random)
            report.step("The books agree." if done.fits else "The books differ.")
            report.leads_to("/reconcile", "What was compared")
            return done

        return go_to(self._web.jobs.start("reconcile", "Comparing the books", work).path)
