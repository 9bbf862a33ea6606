"""Orders: where the money is, where the goods are, what to do, by when."""

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.display.goods import licence_key
from veilmart.customer.display.order_lines import OrderLine, order_line
from veilmart.customer.display.order_status import ACTIONS_OF_PAGES, Standing, standing, true_size
from veilmart.customer.disputes.dispute_rules import dispute, examine
from veilmart.customer.disputes.fault_finder import Complaint
from veilmart.customer.purchase.receipts import export_receipt
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.tokens.lost_order import bring_back
from veilmart.customer.wallet.held_tokens import orders_without_refund
from veilmart.customer.wallet.lost_orders import LostOrder, orders_lost
from veilmart.customer.wallet.orders import (
    UNFINISHED,
    Order,
    all_orders,
    faults_by_order,
    get_order,
    terms_of,
)
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.syncing import OUTCOMES, sync
from veilmart.errors import NoSuchOrder, NotPinned
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.wallet_states import WalletState
from veilmart.storage.files.partial_file import PartialFile
from veilmart.web.forms import read_form
from veilmart.web.jobs import Job, Report
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to

SYNC_KEY = "sync"
ENDS = {
    InvoiceState.REFUNDED: "refunded; its token is back",
    InvoiceState.SETTLED: "yours; the library fetches it again",
    InvoiceState.RELEASED: "yours; once it is settled, the library fetches it",
    InvoiceState.HELD: "held; it comes back whole when its time is over, ask again then",
}
UNPAID = "never paid; no money moved"


@dataclass(frozen=True)
class Row:
    """One order as a page shows it. name: opaque."""

    name: str
    line: OrderLine
    standing: Standing
    state: WalletState
    by_token: bool

    @property
    def true_size(self) -> int:
        return true_size(self.line)

    @property
    def may_cancel(self) -> bool:
        return self.state in (WalletState.CONFIRMING, WalletState.HELD)

    @property
    def may_dispute(self) -> bool:
        return self.state in (WalletState.RELEASED, WalletState.DELIVERED)

    @property
    def unfinished(self) -> bool:
        return self.state in UNFINISHED


@dataclass(frozen=True)
class Accusation:
    """What was found wrong, before the broker is shown it."""

    order: Order
    complaint: Complaint


class OrderPages:
    """Names of orders are their 32-byte hashes."""

    def __init__(self, desk: Desk, web: Web) -> None:
        self._desk, self._web = desk, web

    def routes(self) -> list[WebRoute]:
        return [
            get("/orders", self.orders),
            get("/orders/{order}", self.order),
            post("/orders/sync", self.sync),
            post("/lost/{order}", self.bring_back),
            post("/orders/{order}/cancel", self.ask_cancel),
            post("/orders/{order}/dispute", self.ask_dispute),
            get("/disputes/{nonce}", self.accusation),
            post("/confirm/cancel", self.cancel),
            post("/confirm/dispute", self.dispute),
            post("/orders/{order}/receipt", self.receipt),
        ]

    def begin_if_unfinished(self) -> None:
        """At the start: what was interrupted goes on by itself."""
        if to_sync(self._desk.wallet):
            self.start_sync()

    def start_sync(self, *, everything: bool = False) -> Job:
        return self._web.jobs.start(
            SYNC_KEY,
            "Finishing what was interrupted",
            lambda report: sync(self._desk, report, everything=everything),
        )

    # ---- looking --------------------------------------------------------------------------------

    async def orders(self, request: Request) -> Response:
        lost, rows = await self._desk.wallet.database.run(orders_lost), await self._rows()
        return self._web.pages.page(
            request,
            "orders.html",
            paged=one_page(request, rows),
            unfinished=any(row.unfinished for row in rows),
            lost=one_page(request, lost),
            lost_name=lambda order: self._web.names.name("lost", order.order_key),
            needs_passphrase=self._desk.needs_passphrase,
            sync=self._web.jobs.latest(SYNC_KEY),
        )

    async def order(self, request: Request) -> Response:
        order = await self._find(request)
        row = next(r for r in await self._rows() if r.line.order == order.order.hex())
        offer = terms_of(order).offer
        return self._web.pages.page(
            request,
            "order.html",
            row=row,
            order=order,
            offer=offer,
            licence_key=licence_key(Path(order.file_path))
            if order.codes and order.file_path
            else "",
            merchant=read_descriptor(order.merchant_descriptor).descriptor,
        )

    async def _rows(self) -> list[Row]:
        run = self._desk.wallet.database.run
        faults, now = await run(faults_by_order), self._desk.wallet.clock()
        waiting = {order.order for order in await run(orders_without_refund)}
        return [
            Row(
                name=self._web.names.name("order", order.order),
                line=order_line(order),
                standing=standing(
                    order,
                    faults.get(order.order),
                    now,
                    token_due=order.order in waiting,
                    actions=ACTIONS_OF_PAGES,
                ),
                state=WalletState(order.state),
                by_token=order.spend is not None,
            )
            for order in await run(all_orders)
        ]

    async def _find(self, request: Request) -> Order:
        name = self._web.names.value("order", request.path_params["order"])
        order = await self._desk.wallet.database.run(get_order, name)
        if order is None:
            raise NoSuchOrder
        return order

    # ---- going on -------------------------------------------------------------------------------

    async def sync(self, request: Request) -> Response:
        """One identity's work; all of it where the person asks for that."""
        form = await read_form(request)
        return go_to(self.start_sync(everything=form.has("everything")).path)

    async def ask_cancel(self, request: Request) -> Response:
        """The first step of cancelling."""
        order = await self._find(request)
        return self._web.pages.page(
            request,
            "cancel.html",
            line=order_line(order),
            name=request.path_params["order"],
            nonce=self._web.offers.show(order),
        )

    async def cancel(self, request: Request) -> Response:
        nonce = (await read_form(request)).text("nonce")

        def begin(order: Order) -> str:
            key = f"cancel {order.order.hex()}"
            work = lambda report: self._cancel(order, report)  # noqa: E731
            return self._web.jobs.start(key, "Cancelling", work).path

        return go_to(self._web.offers.confirm(nonce, begin))

    async def _cancel(self, order: Order, report: Report) -> None:
        async with self._desk.moving(report), self._desk.visit_for(order) as shopper:
            recovered = await shopper.cancel(order)
        report.step(f"{order.title}: {OUTCOMES[recovered.outcome]}")
        report.leads_to("/orders", "Orders")

    # ---- after a restore ------------------------------------------------------------------------

    async def bring_back(self, request: Request) -> Response:
        """Ask what became of an order that is known by its key alone."""
        key = self._web.names.value("lost", request.path_params["order"])
        await self._desk.unlock_if_needed((await read_form(request)).secret("passphrase"))
        found: list[LostOrder] = await self._desk.wallet.database.run(orders_lost)
        lost = next((order for order in found if order.order_key == key), None)
        if lost is None:
            raise NoSuchOrder
        job = self._web.jobs.start(
            f"lost {key.hex()}",
            "Asking about an order",
            lambda report: self._bring_back(lost, report),
        )
        return go_to(job.path)

    async def _bring_back(self, lost: LostOrder, report: Report) -> None:
        desk = self._desk

        async def meet(merchant: bytes) -> None:
            shown = format_fingerprint(merchant)
            raise NotPinned(f"Its merchant is {shown}: open its link first.")

        async with (
            desk.moving(report),
            desk.visit(desk.url_of(lost.broker), anonymous=True, recovering=True) as shopper,
        ):
            traced, title = await bring_back(shopper, lost, meet, desk.out)
        report.step(f"{title or 'The order'}: {ENDS.get(InvoiceState(traced.state), UNPAID)}")
        report.leads_to("/orders", "Orders")

    # ---- disputes -------------------------------------------------------------------------------

    async def ask_dispute(self, request: Request) -> Response:
        """Find the fault. The broker learns nothing about the goods."""
        order = await self._find(request)

        async def work(report: Report) -> None:
            report.step("Looking at every segment")
            async with (
                self._desk.moving(report),
                self._desk.visit_for(order, anonymous=True) as shopper,
            ):
                found, complaint = await shopper.perform(examine(order, self._desk.wallet.clock))
            nonce = self._web.offers.show(Accusation(found, complaint))
            report.leads_to(f"/disputes/{nonce}", "See what was found")

        key = f"examine {order.order.hex()}"
        return go_to(self._web.jobs.start(key, "Examining", work).path)

    async def accusation(self, request: Request) -> Response:
        """What was found, and what the broker would see."""
        nonce = request.path_params["nonce"]
        found: Accusation = self._web.offers.shown(nonce)
        return self._web.pages.page(
            request,
            "dispute.html",
            line=order_line(found.order),
            complaint=found.complaint,
            nonce=nonce,
        )

    async def dispute(self, request: Request) -> Response:
        nonce = (await read_form(request)).text("nonce")

        def begin(found: Accusation) -> str:
            key = f"dispute {found.order.order.hex()}"
            work = lambda report: self._dispute(found, report)  # noqa: E731
            return self._web.jobs.start(key, "Dispute", work).path

        return go_to(self._web.offers.confirm(nonce, begin))

    async def _dispute(self, found: Accusation, report: Report) -> None:
        report.step("Sending the evidence")
        async with (
            self._desk.moving(report),
            self._desk.visit_for(found.order, anonymous=True) as shopper,
        ):
            rule = dispute(found.order, found.complaint, self._desk.wallet.clock)
            await shopper.perform(rule)
        report.step("The broker decided for you; the whole amount is back.")
        report.leads_to("/orders", "Orders")

    # ---- receipts -------------------------------------------------------------------------------

    async def receipt(self, request: Request) -> Response:
        """Save what proves the purchase to anybody, offline."""
        order = await self._find(request)
        data = export_receipt(order)
        with PartialFile(self._desk.out, f"{order.order.hex()[:16]}.receipt") as partial:
            partial.write(data)
            path = partial.finish()
        return self._web.pages.page(
            request,
            "done.html",
            heading="The receipt was saved",
            text=str(path),
            href=f"/orders/{request.path_params['order']}",
            label="Back to the order",
        )
