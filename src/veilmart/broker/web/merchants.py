"""Merchants: admit by fingerprint, decline, suspend; payouts."""

from starlette.requests import Request
from starlette.responses import Response

from veilmart.broker.merchants import ADMITTED
from veilmart.broker.operator import admission, bookkeeping, merchant_requests
from veilmart.broker.operator.admission import Candidate
from veilmart.broker.operator.merchant_requests import WithdrawalLine
from veilmart.broker.web.desk import Desk, in_thread
from veilmart.crypto.identity import parse_fingerprint
from veilmart.errors import NoSuchRequest, VeilmartError
from veilmart.protocol.accounting import format_amount
from veilmart.web.acts import Act, Acts
from veilmart.web.forms import read_form
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to


class MerchantPages:
    """A merchant is admitted only after its fingerprint was shown, and is named by it."""

    def __init__(self, desk: Desk, web: Web, acts: Acts) -> None:
        self._desk, self._web, self._acts = desk, web, acts

    def routes(self) -> list[WebRoute]:
        return [
            get("/merchants", self.merchants),
            post("/merchants/fetch", self.fetch),
            post("/merchants/change", self.change),
            get("/payouts", self.payouts),
            post("/payouts/answer", self.answer),
        ]

    async def merchants(self, request: Request) -> Response:
        return await self._merchants(request)

    async def _merchants(self, request: Request, error: VeilmartError | None = None) -> Response:
        name = self._web.names.name
        paged = one_page(request, await self._desk.read(admission.merchant_lines))
        asked = await self._desk.read(merchant_requests.join_lines)
        return self._web.pages.page(
            request,
            "merchants.html",
            paged=paged,
            rows=[(line, name("merchant", line.fingerprint.encode())) for line in paged.rows],
            asked=[(line, name("merchant", line.fingerprint.encode())) for line in asked],
            settings=await self._desk.settings(),
            admitted=ADMITTED,
            error=error,
        )

    async def fetch(self, request: Request) -> Response:
        """Fetch a descriptor and show its fingerprint. One that asked must be the same still."""
        form = await read_form(request)
        try:
            url, wanted = form.text("url"), None
            if form.has("merchant"):
                shown = self._web.names.value("merchant", form.text("merchant")).decode()
                line = await self._desk.read(merchant_requests.find_join, shown)
                url, wanted = f"http://{line.address}", parse_fingerprint(line.fingerprint)
            now = self._desk.clock()
            candidate = await admission.fetch_candidate(self._desk.opened, url, now)
            if wanted is not None:
                admission.expect_fingerprint(candidate, wanted)
        except VeilmartError as error:
            return await self._merchants(request, error)
        return self._acts.ask(request, self._admission(candidate))

    def _admission(self, candidate: Candidate) -> Act:
        def perform() -> str:
            self._desk.opened.database.run_now(admission.admit, candidate)
            return "/merchants"

        return Act(
            title="Admit a merchant",
            text="Compare the fingerprint with the one that its operator gave you elsewhere. "
            "The holder of its key is paid for every sale.",
            button="The fingerprint is right: admit",
            back="/merchants",
            perform=in_thread(perform),
            facts=(
                ("Name", candidate.descriptor.descriptor.name),
                ("Address", candidate.address),
                ("Fingerprint", candidate.fingerprint),
            ),
        )

    async def change(self, request: Request) -> Response:
        """Suspend a merchant, or decline one that asks to join."""
        form = await read_form(request)
        fingerprint = self._web.names.value("merchant", form.text("merchant")).decode()
        run_now = self._desk.opened.database.run_now
        if form.text("act") == "decline":
            await self._desk.write(merchant_requests.forget_join, parse_fingerprint(fingerprint))
            return go_to("/merchants")
        lines = await self._desk.read(admission.merchant_lines)
        line = next((line for line in lines if line.fingerprint == fingerprint), None)
        if line is None:
            raise NoSuchRequest

        def perform() -> str:
            run_now(admission.suspend_merchant, fingerprint)
            return "/merchants"

        act = Act(
            title="Suspend a merchant",
            text="It gets no new orders. Paid ones are still delivered and settled. Type its name "
            "to confirm.",
            button="Suspend",
            back="/merchants",
            perform=in_thread(perform),
            name=line.name,
            facts=(("Name", line.name), ("Fingerprint", line.fingerprint)),
        )
        return self._acts.ask(request, act)

    # ---- payouts --------------------------------------------------------------------------------

    async def payouts(self, request: Request) -> Response:
        paged = one_page(request, await self._desk.read(merchant_requests.withdrawal_lines))
        name = self._web.names.name
        return self._web.pages.page(
            request,
            "payouts.html",
            paged=paged,
            rows=[(line, name("payout", line.id.encode())) for line in paged.rows],
            settings=await self._desk.settings(),
        )

    async def answer(self, request: Request) -> Response:
        """Say that a payout was paid, or decline it."""
        form = await read_form(request)
        wanted = self._web.names.value("payout", form.text("payout")).decode()
        lines = await self._desk.read(merchant_requests.withdrawal_lines)
        line = next((line for line in lines if line.id == wanted), None)
        if line is None:
            raise NoSuchRequest
        current = await self._desk.settings()
        amount = f"{format_amount(line.amount, current.decimals)} {current.currency}"
        return self._acts.ask(request, self._answer(line, amount, form.text("act")))

    def _answer(self, line: WithdrawalLine, amount: str, act: str) -> Act:
        run_now, clock = self._desk.opened.database.run_now, self._desk.clock

        def pay() -> str:
            run_now(bookkeeping.payout, line.merchant, line.amount, clock())
            return "/payouts"

        def decline() -> str:
            run_now(merchant_requests.decline_withdrawal, line.id, clock())
            return "/payouts"

        facts = (("Merchant", line.merchant), ("Amount", amount), ("Note", line.note))
        if act == "decline":
            return Act(
                title="Decline a payout",
                text="The money stays on the merchant's account; it can ask again.",
                button="Decline",
                back="/payouts",
                perform=in_thread(decline),
                facts=facts,
            )
        return Act(
            title="Book a payout",
            text="Confirm after you have paid the merchant. The amount leaves its account. Type "
            "the merchant's name to confirm.",
            button="I have paid: book it",
            back="/payouts",
            perform=in_thread(pay),
            name=line.merchant,
            facts=facts,
        )
