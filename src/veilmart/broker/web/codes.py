"""Vouchers and invitations: issued once, shown until they were written down, printed as cards."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from veilmart.broker.accounts import invitations, vouchers
from veilmart.broker.accounts.vouchers import Issued
from veilmart.broker.web.desk import Desk, in_thread, whole_number
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import PageOutdated, VeilmartError
from veilmart.limits import CODES_AT_ONCE_MAX
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.web.acts import Act, Acts
from veilmart.web.forms import read_form
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.qr_codes import qr_picture
from veilmart.web.rendering import go_to

CARDS_ON_A_SHEET = 100


@dataclass(frozen=True)
class Card:
    """A code to print. picture: the code as a QR code, a data address."""

    code: str
    picture: str


class CodePages:
    """Codes are kept in memory until the operator says that they were written down."""

    def __init__(self, desk: Desk, web: Web, acts: Acts) -> None:
        self._desk, self._web, self._acts = desk, web, acts
        self._fresh: dict[int, tuple[Issued, str]] = {}

    def routes(self) -> list[WebRoute]:
        return [
            get("/vouchers", self.vouchers),
            post("/vouchers/issue", self.issue),
            post("/vouchers/void", self.void),
            get("/vouchers/new/{batch}", self.fresh),
            post("/vouchers/new/{batch}", self.forget),
        ]

    async def vouchers(self, request: Request) -> Response:
        return await self._vouchers(request)

    async def _vouchers(self, request: Request, error: VeilmartError | None = None) -> Response:
        name = self._web.names.name
        rows = [
            (kind, line, name(kind, str(line.batch).encode()))
            for kind, lines in (
                ("voucher", await self._desk.read(vouchers.voucher_lines)),
                ("invitation", await self._desk.read(invitations.invitation_lines)),
            )
            for line in lines
        ]
        return self._web.pages.page(
            request,
            "vouchers.html",
            paged=one_page(request, rows),
            fresh=[name("new", str(batch).encode()) for batch in self._fresh],
            settings=await self._desk.settings(),
            most=CODES_AT_ONCE_MAX,
            error=error,
        )

    async def issue(self, request: Request) -> Response:
        form = await read_form(request)
        desk, current = self._desk, await self._desk.settings()
        invited = form.text("kind") == "invitation"
        try:
            count = whole_number(form, "count", 1, CODES_AT_ONCE_MAX)
            amount = 0 if invited else parse_amount(form.text("value"), current.decimals)
        except VeilmartError as error:
            return await self._vouchers(request, error)
        value = f"{format_amount(amount, current.decimals)} {current.currency}"
        shown = "Invitation" if invited else value

        def perform() -> str:
            run_now, now = desk.opened.database.run_now, desk.clock()
            issued = (
                run_now(invitations.issue_invitations, count, now, desk.random)
                if invited
                else run_now(vouchers.issue_vouchers, count, amount, now, desk.random)
            )
            self._fresh[issued.batch] = issued, shown
            return f"/vouchers/new/{self._web.names.name('new', str(issued.batch).encode())}"

        total = f"{format_amount(amount * count, current.decimals)} {current.currency}"
        act = Act(
            title="Issue invitations" if invited else "Issue vouchers",
            text="Each invitation allows one registration."
            if invited
            else "You have received the total in cash. Each voucher can be redeemed once.",
            button="Issue",
            back="/vouchers",
            perform=in_thread(perform),
            facts=(("Number", str(count)),)
            + (() if invited else (("Value of each", value), ("Total", total))),
        )
        return self._acts.ask(request, act)

    async def void(self, request: Request) -> Response:
        """Void the unused vouchers or invitations of a batch."""
        form = await read_form(request)
        invited = form.text("kind") == "invitation"
        kind = "invitation" if invited else "voucher"
        batch = int(self._web.names.value(kind, form.text("batch")))
        desk = self._desk

        def perform() -> str:
            if invited:
                desk.opened.database.run_now(invitations.void_invitations, batch)
            else:
                desk.opened.database.run_now(vouchers.void_batch, batch, desk.clock())
            return "/vouchers"

        act = Act(
            title=f"Void a batch of {kind}s",
            text="Unused codes of the batch become worthless. Used ones are not affected. Type the "
            "batch's number to confirm.",
            button="Void the batch",
            back="/vouchers",
            perform=in_thread(perform),
            name=str(batch),
            facts=(("Batch", str(batch)),),
        )
        return self._acts.ask(request, act)

    def _batch(self, request: Request) -> int:
        return int(self._web.names.value("new", request.path_params["batch"]))

    async def fresh(self, request: Request) -> Response:
        """The new codes as cards, to be printed or copied."""
        found = self._fresh.get(self._batch(request))
        if found is None:
            raise PageOutdated("The codes were written down and are no longer stored.")
        issued, value = found
        paged = one_page(request, issued.codes, CARDS_ON_A_SHEET)
        cards = [Card(code, qr_picture(code, scale=3, error="m")) for code in paged.rows]
        return self._web.pages.page(
            request,
            "new_codes.html",
            cards=cards,
            paged=paged,
            value=value,
            batch=issued.batch,
            settings=await self._desk.settings(),
            own=format_fingerprint(self._desk.opened.fingerprint),
            here_path=request.url.path,
        )

    async def forget(self, request: Request) -> Response:
        self._fresh.pop(self._batch(request), None)
        return go_to("/vouchers")
