"""The wallet's words, its back-up, and bringing it back from the words."""

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from veilmart.customer.backup_layout import LAYOUT
from veilmart.customer.tokens.restore import restore_tokens
from veilmart.customer.wallet.seed import (
    ENTROPY_BYTES,
    create_seed,
    draw_words,
    is_protected,
    restore_seed,
    seed_words,
)
from veilmart.customer.web.desk import Desk
from veilmart.errors import AlreadyInitialised, BadArgument, VeilmartError
from veilmart.protocol import moments
from veilmart.storage.backup.backup import back_up
from veilmart.web.forms import Form, read_form
from veilmart.web.jobs import Report
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to

WORDS_ASKED_BACK = 3


@dataclass(frozen=True)
class Drawn:
    """Words that were shown and wait for being typed. places: of those asked back, from 0."""

    words: str = field(repr=False)
    passphrase: str = field(repr=False)
    places: tuple[int, ...]


class WordsPages:
    """Words are shown in the answer to a form, never at an address of their own."""

    def __init__(self, desk: Desk, web: Web) -> None:
        self._desk, self._web = desk, web

    def routes(self) -> list[WebRoute]:
        return [
            get("/wallet", self.wallet),
            post("/wallet/draw", self.draw),
            post("/wallet/ask", self.ask),
            post("/wallet/create", self.create),
            post("/wallet/show", self.show),
            post("/wallet/backup", self.backup),
            post("/wallet/restore", self.restore),
        ]

    async def wallet(self, request: Request) -> Response:
        return self._wallet(request)

    def _wallet(
        self, request: Request, error: VeilmartError | None = None, about: str = ""
    ) -> Response:
        """about: which form the error belongs to."""
        desk = self._desk
        return self._web.pages.page(
            request,
            "wallet.html",
            seeded=desk.seeded,
            protected=desk.seeded and is_protected(desk.wallet),
            backed_up_at=desk.backed_up_at(),
            changed_at=desk.changed_at(),
            login=desk.login(),
            out=str(desk.out),
            error=error,
            about=about,
        )

    # ---- new words ------------------------------------------------------------------------------

    async def draw(self, request: Request) -> Response:
        """Draw words and show them once."""
        form = await read_form(request)
        wallet = self._desk.wallet
        try:
            if self._desk.seeded:
                raise AlreadyInitialised("This wallet has its words already.")
            passphrase = _new_passphrase(form)
            words = draw_words(wallet, _word_count(form))
        except VeilmartError as error:
            return self._wallet(request, error, "create")
        order = sorted(range(len(words.split())), key=lambda _place: wallet.random(8))
        drawn = Drawn(words, passphrase, tuple(sorted(order[:WORDS_ASKED_BACK])))
        return self._web.pages.page(
            request,
            "words.html",
            words=words.split(),
            nonce=self._web.offers.show(drawn),
            again=False,
        )

    async def ask(self, request: Request) -> Response:
        """Some of the words, without the words beside them."""
        nonce = (await read_form(request)).text("nonce")
        return self._ask(request, nonce, None)

    def _ask(self, request: Request, nonce: str, error: VeilmartError | None) -> Response:
        drawn: Drawn = self._web.offers.shown(nonce)
        return self._web.pages.page(
            request, "words_back.html", places=drawn.places, nonce=nonce, error=error
        )

    async def create(self, request: Request) -> Response:
        """Keep the words if the right ones came back."""
        form = await read_form(request)
        nonce = form.text("nonce")
        drawn: Drawn = self._web.offers.shown(nonce)
        words = drawn.words.split()
        if any(form.text(f"word{place}").lower() != words[place] for place in drawn.places):
            wrong = BadArgument("One of them is another word. Look at what you wrote down.")
            return self._ask(request, nonce, wrong)
        desk = self._desk
        if not desk.seeded:
            with desk.wallet.purchasing():
                desk.wallet = await asyncio.to_thread(
                    create_seed, desk.wallet, drawn.words, drawn.passphrase
                )
        return go_to("/wallet")

    async def show(self, request: Request) -> Response:
        """The words again, after the passphrase again."""
        form = await read_form(request)
        try:
            words = await asyncio.to_thread(
                seed_words, self._desk.wallet, form.secret("passphrase")
            )
        except VeilmartError as error:
            return self._wallet(request, error, "show")
        return self._web.pages.page(
            request, "words.html", words=words.split(), nonce="", again=True
        )

    # ---- keeping and bringing back --------------------------------------------------------------

    async def backup(self, request: Request) -> Response:
        """Write a back-up beside the bought files; the person puts it somewhere safe."""
        desk = self._desk
        now = desk.wallet.clock()
        moment = moments.moment(now)
        target = desk.out / f"veilmart-wallet-{moment:%Y%m%d-%H%M%S}.backup"
        try:
            done = await asyncio.to_thread(
                back_up, desk.wallet.home, LAYOUT, target, identity=b"", now=now
            )
        except VeilmartError as error:
            return self._wallet(request, error, "backup")
        desk.note_backup(now)
        return self._web.pages.page(
            request,
            "done.html",
            heading="The wallet was backed up",
            text=str(done.path),
            href="/wallet",
            label="Wallet",
        )

    async def restore(self, request: Request) -> Response:
        """Tokens and the list of orders from words that were written down."""
        form = await read_form(request)
        desk = self._desk
        words = " ".join(form.text("words").lower().split())
        try:
            passphrase = form.secret("passphrase") if desk.seeded else _new_passphrase(form)
            with desk.wallet.purchasing():
                desk.wallet = await asyncio.to_thread(restore_seed, desk.wallet, words, passphrase)
        except VeilmartError as error:
            return self._wallet(request, error, "restore")

        async def work(report: Report) -> None:
            report.step("Asking for stored withdrawals and published lists")
            async with desk.moving(report), desk.visit() as shopper:
                done = await restore_tokens(shopper)
            report.line(f"{done.unspent} unspent tokens of {done.withdrawn} withdrawn")
            report.line(f"{done.orders} orders are known by their keys")
            report.leads_to("/tokens", "Tokens")

        return go_to(self._web.jobs.start("restore", "Restoring the wallet", work).path)


def _word_count(form: Form) -> int:
    """12 or 24. Raises BadArgument."""
    chosen = form.text("count") or "12"
    for count in ENTROPY_BYTES:
        if chosen == str(count):
            return count
    raise BadArgument("A wallet has 12 or 24 words.")


def _new_passphrase(form: Form) -> str:
    """Typed twice, or expressly none. Raises BadArgument."""
    if form.has("none"):
        return ""
    passphrase = form.secret("passphrase")
    if not passphrase:
        raise BadArgument("Type a passphrase, or tick that there shall be none.")
    if passphrase != form.secret("passphrase2"):
        raise BadArgument("The two passphrases differ.")
    return passphrase
