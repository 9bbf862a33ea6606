"""Welcome: a pasted link, its fingerprints, the account, or none."""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from veilmart.customer.wallet.wallet import unfinished
from veilmart.customer.web.desk import Desk
from veilmart.errors import BadArgument, BadLink, NotPinned, VeilmartError
from veilmart.protocol.address import Link, parse_link
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.web.forms import Form, read_form
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to


@dataclass(frozen=True)
class Met:
    """A link that waits for the person's confirmation.

    shown: the broker's descriptor, if it was asked.
    """

    link: Link
    shown: SignedDescriptor | None = None


class JoiningPages:
    """Until the wallet knows a broker, and who is shopping."""

    def __init__(self, desk: Desk, web: Web, opened: Link | None) -> None:
        """opened: the link that the command was given; the start page shows its fingerprints."""
        self._desk, self._web, self._opened = desk, web, opened

    def routes(self) -> list[WebRoute]:
        return [
            get("/", self.home),
            post("/link", self.link),
            get("/meet/{nonce}", self.meet),
            post("/meet/{nonce}/ask", self.ask),
            post("/meet/{nonce}/join", self.join),
            get("/account", self.account),
            post("/account/register", self.register),
            post("/account/login", self.login),
            post("/account/password", self.password),
            get("/go", self.go),
        ]

    async def home(self, request: Request) -> Response:
        if self._opened is not None:
            met, self._opened = Met(self._opened), None
            return go_to(f"/meet/{self._web.offers.show(met)}")
        return self._home(request)

    def _home(self, request: Request, error: VeilmartError | None = None) -> Response:
        desk = self._desk
        pin = desk.pin()
        if pin is None:
            return self._web.pages.page(request, "welcome.html", error=error)
        return self._web.pages.page(
            request,
            "home.html",
            error=error,
            broker=desk.broker(),
            login=desk.login(),
            balance=desk.balance,
            unfinished=len(unfinished(desk.wallet)),
            jobs=self._web.jobs.running(),
        )

    # ---- a link ---------------------------------------------------------------------------------

    async def link(self, request: Request) -> Response:
        """Look at a link. Nothing is sent to anybody."""
        form = await read_form(request)
        try:
            link = parse_link(form.text("link"))
        except BadLink as error:
            return self._home(request, error)
        return go_to(f"/meet/{self._web.offers.show(Met(link))}")

    async def meet(self, request: Request) -> Response:
        """The fingerprints of a link, to be compared with what its merchant says elsewhere."""
        nonce = request.path_params["nonce"]
        return self._web.pages.page(
            request, "meet.html", met=self._met(nonce), nonce=nonce, pin=self._desk.pin()
        )

    async def ask(self, request: Request) -> Response:
        """A bare address: fetch the broker's descriptor, show its fingerprint, trust nothing."""
        met = self._met(request.path_params["nonce"])
        seen: list[SignedDescriptor] = []

        def look(_role: str, fresh: SignedDescriptor) -> bool:
            seen.append(fresh)
            return False

        try:
            async with self._desk.visit(met.link, approve=look):
                return go_to("/account")  # pinned already
        except NotPinned:
            fresh = replace(met, shown=seen[0])
            return go_to(f"/meet/{self._web.offers.show(fresh)}")

    async def join(self, request: Request) -> Response:
        """Pin what was shown. Safe to repeat."""
        met = self._met(request.path_params["nonce"])
        desk = self._desk

        def same(_role: str, fresh: SignedDescriptor) -> bool:
            return met.shown is not None and fresh.fingerprint == met.shown.fingerprint

        async with desk.visit(met.link, approve=same):
            desk.wanted, desk.directory = met.link, None
        return go_to("/go" if desk.login() else "/account")

    def _met(self, nonce: str) -> Met:
        met: Met = self._web.offers.shown(nonce)
        return met

    # ---- the account ----------------------------------------------------------------------------

    async def account(self, request: Request) -> Response:
        return self._account(request)

    def _account(
        self,
        request: Request,
        error: VeilmartError | None = None,
        about: str = "",
        username: str = "",
    ) -> Response:
        """about: which form the error belongs to. username: what was typed into it."""
        return self._web.pages.page(
            request,
            "account.html",
            login=self._desk.login(),
            token_lately=self._desk.token_lately(),
            broker=self._desk.broker(),
            error=error,
            about=about,
            username=username,
        )

    async def register(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            password = _new_secret(form, "password")
            async with self._desk.visit() as shopper:
                invitation = form.text("invitation") or None
                await shopper.account.register(form.text("username"), password, invitation)
        except VeilmartError as error:
            return self._account(request, error, "register", form.text("username"))
        return go_to("/go")

    async def login(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            async with self._desk.visit() as shopper:
                await shopper.account.login(form.text("username"), form.secret("password"))
        except VeilmartError as error:
            return self._account(request, error, "login", form.text("username"))
        return go_to("/go")

    async def password(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            password = _new_secret(form, "password")
            async with self._desk.visit() as shopper:
                await shopper.account.change_password(form.secret("old"), password)
        except VeilmartError as error:
            return self._account(request, error, "password")
        return self._web.pages.page(
            request,
            "done.html",
            heading="The password was changed",
            text="All other machines are logged out.",
            href="/account",
            label="Account",
        )

    async def go(self, request: Request) -> Response:
        """To what the link named, else to the merchants."""
        wanted = self._desk.wanted
        if wanted is None or wanted.merchant is None:
            return go_to("/merchants")
        return go_to(f"/shop/{self._web.names.name('merchant', wanted.merchant)}")


def _new_secret(form: Form, name: str) -> str:
    """Typed twice. Raises BadArgument when the two differ."""
    if form.secret(name) != form.secret(f"{name}2"):
        raise BadArgument("The two passwords differ.")
    return form.secret(name)
