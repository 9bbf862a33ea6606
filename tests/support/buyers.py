"""Customers with words and tokens, and purchases on anonymous connections."""

from pathlib import Path

from tests.support.roles import PRICE, Roles, product_of
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.events import Event, Observer, StepReached, ignore
from veilmart.customer.purchase.completion_rules import Bought
from veilmart.customer.purchase.payment_rules import TokenPayment
from veilmart.customer.purchase.recovery_rules import Recovered
from veilmart.customer.tokens.stock import withdraw_tokens
from veilmart.customer.wallet.orders import Order
from veilmart.customer.wallet.seed import create_seed, draw_words
from veilmart.customer.wallet.tokens import UNSPENT, tokens_of
from veilmart.customer.wallet.wallet import Wallet


class Killed(BaseException):
    """The program ended here."""


def killed_at(step: str) -> Observer:
    """An observer that ends the program before this step."""

    def watch(event: Event) -> None:
        if isinstance(event, StepReached) and event.step == step:
            raise Killed

    return watch


async def buyer(roles: Roles, name: str, tokens: int = 2) -> tuple[Shopper, Wallet]:
    """Registered, with money, words and fresh tokens; the connection is the account's."""
    await (await roles.customer(name)).aclose()
    locked = roles.wallet(name)
    wallet = create_seed(locked, draw_words(locked, 12), "")
    roles.wallets[name] = wallet
    shopper = await roles.connect(name)
    if tokens:
        await withdraw_tokens(shopper, PRICE, tokens)
    return shopper, wallet


async def buy(
    roles: Roles,
    wallet: Wallet,
    out: Path,
    *,
    title: str = "june.txt",
    now: bool = True,
    observe: Observer = ignore,
) -> Bought:
    """One anonymous purchase on a connection of its own."""
    async with await connect(wallet, roles.link, anonymous=True, observe=observe) as shopper:
        menu = await shopper.browse(roles.merchant_print)
        payment = TokenPayment(wallet.seed or b"", wallet.clock, now=now)
        return await shopper.buy(menu, product_of(menu, title), out, payment=payment)


async def finish(roles: Roles, wallet: Wallet, order: Order, *, cancel: bool = False) -> Recovered:
    """What `sync` or `cancel` does with one order."""
    async with await connect(wallet, roles.link, anonymous=True, recovering=True) as shopper:
        return await (shopper.cancel(order) if cancel else shopper.recover(order))


def unspent(roles: Roles, wallet: Wallet) -> int:
    return len(wallet.database.run_now(tokens_of, roles.opened.fingerprint, UNSPENT))
