"""Customers' accounts: balances, credits, locking out, new passwords."""

import base64
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from veilmart.broker.accounts import administration
from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.operator import bookkeeping
from veilmart.broker.web.desk import Desk, in_thread
from veilmart.errors import NoSuchAccount, VeilmartError
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.protocol.typed_text import sought
from veilmart.web.acts import Act, Acts
from veilmart.web.forms import read_form
from veilmart.web.paging import one_page
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to
from veilmart.web.searching import Search

NEW_PASSWORD_BYTES = 10


@dataclass(frozen=True)
class NewPassword:
    """Shown until the operator says that it was passed on."""

    username: str
    password: str


class PeoplePages:
    """Accounts by name and balance. What an account bought is on no page, and in no query here."""

    def __init__(self, desk: Desk, web: Web, acts: Acts) -> None:
        self._desk, self._web, self._acts = desk, web, acts
        self._search = Search(web, "/people")
        self._shown: dict[bytes, NewPassword] = {}

    def routes(self) -> list[WebRoute]:
        return [
            get("/people", self.people),
            self._search.route(),
            post("/people/credit", self.credit),
            post("/people/change", self.change),
            get("/people/password/{name}", self.password),
            post("/people/password/{name}", self.forget_password),
        ]

    async def people(self, request: Request) -> Response:
        return await self._people(request)

    async def _people(self, request: Request, error: VeilmartError | None = None) -> Response:
        lines = await self._desk.read(administration.user_lines)
        wanted = self._search.words(request)
        text = sought(wanted)
        paged = one_page(request, [line for line in lines if text in sought(line.username)])
        names = self._web.names
        return self._web.pages.page(
            request,
            "people.html",
            paged=paged,
            rows=[(line, names.name("account", line.username.encode())) for line in paged.rows],
            wanted=wanted,
            settings=await self._desk.settings(),
            error=error,
        )

    async def credit(self, request: Request) -> Response:
        form = await read_form(request)
        desk, current = self._desk, await self._desk.settings()
        try:
            username = form.text("username")
            amount = parse_amount(form.text("amount"), current.decimals)
            reference = form.text("reference") or None
            if username not in {u.username for u in await desk.read(administration.user_lines)}:
                raise NoSuchAccount(repr(username[:64]))
        except VeilmartError as error:
            return await self._people(request, error)

        def perform() -> str:
            now = desk.clock()
            desk.opened.database.run_now(
                bookkeeping.credit, username, amount, False, now, reference, repeats=False
            )
            return "/people"

        act = Act(
            title="Credit an account",
            text="You have received this money in cash. It goes onto the account at once.",
            button="Credit",
            back="/people",
            perform=in_thread(perform),
            facts=(
                ("Account", username),
                ("Reference", reference or "none"),
                ("Amount", f"{format_amount(amount, current.decimals)} {current.currency}"),
            ),
        )
        return self._acts.ask(request, act)

    async def change(self, request: Request) -> Response:
        """Lock an account out, let it in again, or give it a new password."""
        form = await read_form(request)
        username = self._web.names.value("account", form.text("account")).decode()
        acts = {
            "disable": self._disable,
            "enable": self._enable,
            "reset": self._reset,
        }
        make = acts.get(form.text("act"))
        if make is None:
            return go_to("/people")
        return self._acts.ask(request, make(username))

    def _disable(self, username: str) -> Act:
        return Act(
            title="Lock an account out",
            text="It is logged out everywhere at once. What it has paid for is still delivered or "
            "refunded. Type its name to confirm.",
            button="Lock out",
            back="/people",
            perform=in_thread(lambda: self._set_disabled(username, True)),
            name=username,
            facts=(("Account", username),),
        )

    def _enable(self, username: str) -> Act:
        return Act(
            title="Let an account in again",
            text="It can log in from now on.",
            button="Let in",
            back="/people",
            perform=in_thread(lambda: self._set_disabled(username, False)),
            facts=(("Account", username),),
        )

    def _reset(self, username: str) -> Act:
        return Act(
            title="Give an account a new password",
            text="All its machines are logged out. The new password is shown to you, to be passed "
            "on. Type the account's name to confirm.",
            button="Make a new password",
            back="/people",
            perform=in_thread(lambda: self._new_password(username)),
            name=username,
            facts=(("Account", username),),
        )

    def _set_disabled(self, username: str, flag: bool) -> str:
        run_now = self._desk.opened.database.run_now
        run_now(administration.disable, username, flag, self._desk.clock())
        return "/people"

    def _new_password(self, username: str) -> str:
        desk = self._desk
        password = base64.b32encode(desk.random(NEW_PASSWORD_BYTES)).decode().lower()
        hashed = Passwords(desk.random).hash_now(password)
        desk.opened.database.run_now(administration.reset, username, hashed, desk.clock())
        self._shown[username.encode()] = NewPassword(username, password)
        return f"/people/password/{self._web.names.name('password', username.encode())}"

    async def password(self, request: Request) -> Response:
        key = self._web.names.value("password", request.path_params["name"])
        return self._web.pages.page(request, "password.html", shown=self._shown.get(key))

    async def forget_password(self, request: Request) -> Response:
        self._shown.pop(self._web.names.value("password", request.path_params["name"]), None)
        return go_to("/people")
