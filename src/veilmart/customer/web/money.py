"""Money on the account, and tokens: what pays without it."""

from collections import Counter
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from veilmart.customer.tokens.stock import deposit_tokens, withdraw_tokens
from veilmart.customer.tokens.stocks import all_stocks, drop_stock, keep_stock, own_day
from veilmart.customer.wallet.seed_state import usable
from veilmart.customer.wallet.tokens import UNSPENT, known_keys, tokens_of
from veilmart.customer.web.desk import Desk
from veilmart.errors import BadArgument, VeilmartError
from veilmart.limits import TOKEN_PACK, TOKEN_REST_SECONDS
from veilmart.protocol.accounting import format_amount
from veilmart.web.forms import Form, read_form
from veilmart.web.jobs import Report
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to

COUNT_MAX = 1000


@dataclass(frozen=True)
class TokenRow:
    """Unspent tokens of one price that end together. rested, until: as `customer tokens` says."""

    price: int
    count: int
    rested: int
    until: int
    kept: int


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal page showed. keep: refill the stock by as many."""

    price: int
    count: int
    keep: bool


class MoneyPages:
    """Each of them asks the account's connection only when its button is pressed."""

    def __init__(self, desk: Desk, web: Web) -> None:
        self._desk, self._web = desk, web

    def routes(self) -> list[WebRoute]:
        return [
            get("/money", self.money),
            post("/money/ask", self.ask),
            post("/money/redeem", self.redeem),
            get("/tokens", self.tokens),
            post("/tokens/quote", self.quote),
            post("/tokens/withdraw", self.withdraw),
            post("/tokens/deposit", self.deposit),
            post("/tokens/drop", self.drop),
        ]

    # ---- the balance ----------------------------------------------------------------------------

    async def money(self, request: Request) -> Response:
        return self._money(request)

    def _money(
        self, request: Request, error: VeilmartError | None = None, note: str = ""
    ) -> Response:
        return self._web.pages.page(
            request,
            "money.html",
            login=self._desk.login(),
            token_lately=self._desk.token_lately(),
            balance=self._desk.balance,
            money=self._desk.money(),
            error=error,
            note=note,
        )

    async def ask(self, request: Request) -> Response:
        try:
            async with self._desk.visit() as shopper:
                await shopper.account.read()
        except VeilmartError as error:
            return self._money(request, error)
        return go_to("/money")

    async def redeem(self, request: Request) -> Response:
        """Redeem a voucher; repeating it with the same account gives the same result."""
        form = await read_form(request)
        try:
            async with self._desk.visit() as shopper:
                done = await shopper.account.redeem(form.text("code"))
        except VeilmartError as error:
            return self._money(request, error)
        value = format_amount(done.value, self._desk.money().decimals)
        said = "already redeemed by you; nothing was added now" if done.again else "redeemed"
        return self._money(request, None, f"{value} {said}.")

    # ---- tokens ---------------------------------------------------------------------------------

    async def tokens(self, request: Request) -> Response:
        return await self._tokens(request)

    async def _tokens(self, request: Request, error: VeilmartError | None = None) -> Response:
        desk = self._desk
        return self._web.pages.page(
            request,
            "tokens.html",
            rows=await self._rows(),
            seeded=desk.seeded,
            login=desk.login(),
            token_lately=desk.token_lately(),
            needs_passphrase=desk.needs_passphrase,
            money=desk.money(),
            pack=TOKEN_PACK,
            error=error,
        )

    async def _rows(self) -> list[TokenRow]:
        run, broker = self._desk.wallet.database.run, self._desk.broker().fingerprint
        keys = await run(known_keys, broker)
        tokens = await run(tokens_of, broker, UNSPENT)
        stocks = {stock.price: stock.pack for stock in await run(all_stocks)}
        now = self._desk.wallet.clock()
        counts = Counter(keys[token.key].listed for token in tokens)
        rested = Counter(
            keys[token.key].listed for token in tokens if now - token.got_at >= TOKEN_REST_SECONDS
        )
        return [
            TokenRow(
                price=listed.price,
                count=count,
                rested=rested[listed],
                until=listed.spend_until,
                kept=stocks.get(listed.price, 0),
            )
            for listed, count in sorted(counts.items())
            if now < listed.spend_until
        ]

    async def quote(self, request: Request) -> Response:
        """The first step of a withdrawal."""
        form = await read_form(request)
        try:
            wanted = Withdrawal(
                _number(form, "price", max(self._desk.money().price_points, default=0)),
                _number(form, "count", COUNT_MAX),
                form.has("keep"),
            )
        except VeilmartError as error:
            return await self._tokens(request, error)
        return self._web.pages.page(
            request,
            "withdraw.html",
            wanted=wanted,
            total=wanted.price * wanted.count,
            money=self._desk.money(),
            token_lately=self._desk.token_lately(),
            needs_passphrase=self._desk.needs_passphrase,
            nonce=self._web.offers.show(wanted),
        )

    async def withdraw(self, request: Request) -> Response:
        form = await read_form(request)
        try:
            await self._desk.unlock(form.secret("passphrase"))
        except VeilmartError as error:
            return await self._tokens(request, error)

        def begin(wanted: Withdrawal) -> str:
            work = lambda report: self._withdraw(wanted, report)  # noqa: E731
            return self._web.jobs.start("withdraw", "Withdrawing tokens", work).path

        return go_to(self._web.offers.confirm(form.text("nonce"), begin))

    async def _withdraw(self, wanted: Withdrawal, report: Report) -> None:
        desk = self._desk
        report.step("Asking the broker to sign blinded tokens")
        async with desk.moving(report), desk.visit() as shopper:
            done = await withdraw_tokens(shopper, wanted.price, wanted.count)
            if wanted.keep:
                wallet = shopper.wallet
                state = await wallet.database.run(usable)
                today, _ = own_day(wallet.clock(), state.refill_second)
                row = (shopper.broker.fingerprint, wanted.price, wanted.count, today)
                await wallet.database.run(keep_stock, *row)
        report.step(f"{done.count} tokens are here. Let them rest for a day before you spend them.")
        report.leads_to("/tokens", "Tokens")

    async def deposit(self, request: Request) -> Response:
        """Put tokens of one price back on the balance. Repeating it puts back what is left."""
        form = await read_form(request)
        try:
            await self._desk.unlock(form.secret("passphrase"))
            price = _number(form, "price", max(self._desk.money().price_points, default=0))
        except VeilmartError as error:
            return await self._tokens(request, error)

        async def work(report: Report) -> None:
            report.step("Putting tokens back")
            async with self._desk.moving(report), self._desk.visit() as shopper:
                done = await deposit_tokens(shopper, price, None)
            report.step(f"{done.count} tokens are back on your balance.")
            report.leads_to("/tokens", "Tokens")

        return go_to(self._web.jobs.start("deposit", "Putting tokens back", work).path)

    async def drop(self, request: Request) -> Response:
        """Keep no stock of that price any more; nobody is asked."""
        form = await read_form(request)
        price = _number(form, "price", max(self._desk.money().price_points, default=0))
        broker = self._desk.broker().fingerprint
        await self._desk.wallet.database.run(drop_stock, broker, price)
        return go_to("/tokens")


def _number(form: Form, name: str, most: int) -> int:
    """A whole number from 1 to `most`. Raises BadArgument."""
    text = form.text(name)
    if not (text.isascii() and text.isdigit() and len(text) < 16 and 1 <= int(text) <= most):
        raise BadArgument(f"From 1 to {most}.")
    return int(text)
