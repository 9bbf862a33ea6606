"""Paying: what will be paid, how, and who sees what; then its confirmation; then the goods.

The first page asks nobody anything: what it shows is what the merchant and the broker signed. The
second step names the first one's nonce; the purchase then compares the offer that the merchant
really signs with what was shown, before anything is paid.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from veilmart.customer.display.lists import deal_of
from veilmart.customer.purchase.payment_rules import (
    AccountPayment,
    Payment,
    TokenPayment,
    is_fresh,
    token_for,
)
from veilmart.customer.quote import Quote
from veilmart.customer.wallet.orders import owned, times_ordered
from veilmart.customer.wallet.tokens import StoredToken
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.open_shop import OpenShop
from veilmart.customer.web.progress import Progress
from veilmart.customer.web.shopping import ShoppingPages
from veilmart.errors import AlreadyOwned, Declined, NoSuchProduct, OfferMismatch, VeilmartError
from veilmart.limits import TOKEN_REST_SECONDS
from veilmart.protocol.catalogue import Product
from veilmart.protocol.descriptor import Shelf
from veilmart.web.forms import read_form
from veilmart.web.jobs import Report
from veilmart.web.plan import Web, WebRoute, get, post
from veilmart.web.rendering import go_to


@dataclass(frozen=True)
class Shown:
    """What a payment page showed. price: minor units. by_token: how it is paid.

    ordered: how often the product had been ordered then.
    """

    merchant: bytes
    product: bytes
    title: str
    version: int
    shelf: Shelf
    by_token: bool
    ordered: int

    @property
    def price(self) -> int:
        return self.shelf.price


class PayingPages:
    """The two steps."""

    def __init__(self, desk: Desk, web: Web, shopping: ShoppingPages) -> None:
        self._desk, self._web, self._shopping = desk, web, shopping

    def routes(self) -> list[WebRoute]:
        return [get("/pay/{product}", self.quote), post("/pay/{product}", self.pay)]

    async def quote(self, request: Request) -> Response:
        """The first step."""
        return await self._quote(request, None)

    async def _quote(self, request: Request, error: VeilmartError | None) -> Response:
        shop, product = self._shopping.find(request.path_params["product"])
        desk = self._desk
        token = await self._token(shop.price(product))
        place = shop.menu.merchant.fingerprint, product.id
        mine = await desk.wallet.database.run(owned, *place)
        ordered = await desk.wallet.database.run(times_ordered, *place)

        def nonce(by_token: bool) -> str:
            return self._web.offers.show(_shown(shop, product, by_token, ordered))

        return self._web.pages.page(
            request,
            "pay.html",
            shop=shop,
            product=product,
            key=request.path_params["product"],
            shelf=shop.menu.shelf(product),
            deal=deal_of(shop.menu, product),
            login=desk.login(),
            account_lately=desk.account_lately(),
            token_lately=desk.token_lately(),
            balance=desk.balance,
            token=token is not None,
            rests_until=_rests_until(token, desk.wallet.clock()),
            by_account=nonce(False),
            by_token=nonce(True),
            needs_passphrase=desk.needs_passphrase,
            owned=mine[0] if mine else None,
            out=str(desk.out),
            error=error,
        )

    async def _token(self, price: int) -> StoredToken | None:
        """The token to spend, from what is on this machine; the account is not asked."""
        desk = self._desk
        if not desk.seeded:
            return None
        now = desk.wallet.clock()
        chosen = await desk.wallet.database.run(token_for, desk.broker(), price, now)
        return None if chosen is None else chosen.token

    async def pay(self, request: Request) -> Response:
        """The second step: once for a nonce, however often it is sent."""
        form = await read_form(request)
        desk = self._desk
        try:
            await desk.unlock_if_needed(form.secret("passphrase"))
        except VeilmartError as error:
            return await self._quote(request, error)
        now, nonce = form.has("now"), form.text("nonce")
        try:
            path = self._web.offers.confirm(nonce, lambda shown: self._begin(shown, now))
        except AlreadyOwned as error:
            return await self._quote(request, error)
        return go_to(path)

    def _begin(self, shown: Shown, now: bool) -> str:
        """Start the purchase; the path of its progress. now: spend a token however fresh.

        Raises AlreadyOwned when another page has ordered it since this one was shown.
        """
        latest = self._web.jobs.latest(_key(shown))
        ordered = self._desk.wallet.database.run_now(times_ordered, shown.merchant, shown.product)
        if ordered != shown.ordered and not (latest and latest.running):
            raise AlreadyOwned("It was ordered on another page since this one was opened.")
        job = self._web.jobs.start(
            _key(shown), "Buying", lambda report: self._buy(shown, now, report)
        )
        return job.path

    async def _buy(self, shown: Shown, now: bool, report: Report) -> None:
        desk = self._desk
        observe = Progress(report, desk.money().decimals)
        async with (
            desk.moving(report),
            desk.visit(anonymous=shown.by_token, observe=observe) as shopper,
        ):
            menu = await shopper.browse(shown.merchant)
            # Not the first that fits: a search that ends earlier would send the choice earlier.
            product = {each.id: each for each in menu.products}.get(shown.product)
            if product is None:
                raise NoSuchProduct("It was taken out of the catalogue just now.")
            payment: Payment = AccountPayment()
            if shown.by_token:
                payment = TokenPayment(shopper.wallet.seed or b"", shopper.wallet.clock, now=now)
            try:
                await shopper.buy(menu, product, desk.out, Agreement(shown), payment, later=True)
            except Declined:
                raise OfferMismatch("The merchant's offer is not what was shown.") from None
        report.step("The file is here.")
        report.leads_to("/library", "Library")


@dataclass(frozen=True)
class Agreement:
    """Confirms the quote that is what the page showed, and no other."""

    shown: Shown

    def __call__(self, quote: Quote) -> bool:
        same = (quote.price, quote.choice.product.version, quote.choice.shelf)
        return same == (self.shown.price, self.shown.version, self.shown.shelf)


def _key(shown: Shown) -> str:
    return f"buy {shown.merchant.hex()} {shown.product.hex()}"


def _rests_until(token: StoredToken | None, now: int) -> int | None:
    """Unix seconds when a fresh token has rested; None for a rested one."""
    if token is None or not is_fresh(token, now):
        return None
    return token.got_at + TOKEN_REST_SECONDS


def _shown(shop: OpenShop, product: Product, by_token: bool, ordered: int) -> Shown:
    return Shown(
        merchant=shop.menu.merchant.fingerprint,
        product=product.id,
        title=product.title,
        version=product.version,
        shelf=shop.menu.shelf(product),
        by_token=by_token,
        ordered=ordered,
    )
