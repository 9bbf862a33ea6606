"""`buy` without an account: a connection of its own, a token; the first time step by step."""

from dataclasses import dataclass, replace
from pathlib import Path

from veilmart.customer.browsing.menu import Menu
from veilmart.customer.cli.choose_product import check_not_owned, choose_product
from veilmart.customer.cli.connect import choose_merchant, visited
from veilmart.customer.cli.passphrase import unlocked
from veilmart.customer.cli.progress import Drawer
from veilmart.customer.cli.prompts import Person, ensure_login
from veilmart.customer.cli.wallet import make_seed
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.purchase.completion_rules import Bought
from veilmart.customer.purchase.payment_rules import TokenPayment, is_fresh, token_for
from veilmart.customer.quote import Quote
from veilmart.customer.tokens.stock import check_price, withdraw_tokens
from veilmart.customer.wallet.seed import has_seed
from veilmart.customer.wallet.seed_state import usable
from veilmart.customer.wallet.tokens import any_unspent
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import Declined, NoSeed, NoTokens, SpendingTooSoon
from veilmart.limits import TOKEN_PACK
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.address import Link
from veilmart.protocol.catalogue import Product
from veilmart.protocol.descriptor import Descriptor

FIRST_WORDS = 12


@dataclass(frozen=True)
class Wish:
    """What `buy` was asked for. wanted: title, number or id, None to choose from the menu.

    insists: --anonymous was given. now: --now was given.
    """

    wanted: str | None
    link: Link | None
    merchant: str | None
    out: Path
    again: bool
    suite: str | None
    insists: bool
    now: bool


def may_buy_anonymously(wallet: Wallet, wish: Wish) -> bool:
    """Whether to try: asked for, or there is an unspent token of any price at any broker."""
    if wish.insists:
        return True
    if wallet.seed is None:
        return False
    return wallet.database.run_now(any_unspent)


async def buy_anonymously(
    locked: Wallet, person: Person, drawer: Drawer, wish: Wish, passphrase_file: Path | None
) -> Bought | None:
    """None when no token fits and nobody insisted: then the account pays.

    Raises NoSeed, NoTokens, SpendingTooSoon where nobody can be asked, and as a purchase does.
    """
    wallet = locked
    if wallet.seed is None:
        wallet = _with_seed(locked, person, passphrase_file)
    wallet.database.run_now(usable)
    while True:
        async with visited(
            wallet,
            person,
            wish.link,
            suite=wish.suite,
            observe=drawer,
            anonymous=True,
        ) as shopper:
            broker = shopper.broker.descriptor
            drawer.decimals = broker.decimals
            menu, product = await _choose(shopper, person, drawer, wish)
            price = menu.shelf(product).price
            check_price(broker, price)
            token = await wallet.database.run(token_for, shopper.broker, price, wallet.clock())
            if token is not None:
                wish = _rested(person, wish, fresh=is_fresh(token, wallet.clock()))
                return await _pay(shopper, person, drawer, wish, menu, product)
        if not wish.insists:
            return None
        # The choice stays here; the account is asked for a whole pack, on its own connection.
        wish = replace(wish, wanted=product.id.hex())
        await _withdraw_first(wallet, person, broker, price)


def _with_seed(wallet: Wallet, person: Person, file: Path | None) -> Wallet:
    if has_seed(wallet):
        return unlocked(wallet, person, file)
    if not person.terminal.interactive or person.yes:
        raise NoSeed
    for line in (
        "Buying without an account works with tokens: you withdraw some from your balance first,",
        "and pay with them later. The broker cannot tell whose token it is that it gets.",
        "Tokens come from a few words, which this wallet draws now.",
    ):
        person.terminal.say(line)
    with wallet.purchasing():
        return make_seed(wallet, person, FIRST_WORDS, file, none=False)[0]


async def _choose(
    shopper: Shopper, person: Person, drawer: Drawer, wish: Wish
) -> tuple[Menu, Product]:
    fingerprint = None if wish.link is None else wish.link.merchant
    if fingerprint is None:
        fingerprint = await choose_merchant(shopper, person, wish.merchant)
    menu = await shopper.browse(fingerprint)
    product = choose_product(menu, person, drawer.decimals, wish.wanted)
    if product is None:
        raise Declined
    return menu, product


def _rested(person: Person, wish: Wish, *, fresh: bool) -> Wish:
    """Fresh tokens are spent when the person says so. Raises SpendingTooSoon, Declined."""
    if not fresh or wish.now:
        return wish
    if not person.terminal.interactive or person.yes:
        raise SpendingTooSoon
    person.terminal.say(
        "Your tokens were withdrawn less than a day ago. Spent now, they let the broker guess"
    )
    person.terminal.say("who buys: whoever has just withdrawn. Tomorrow they do not.")
    if not person.confirm("Buy now all the same? (y/n) "):
        raise Declined("Nothing was bought; your tokens stay.")
    return replace(wish, now=True)


async def _withdraw_first(wallet: Wallet, person: Person, broker: Descriptor, price: int) -> None:
    shown, total = (
        format_amount(amount, broker.decimals) for amount in (price, price * TOKEN_PACK)
    )
    if not person.terminal.interactive or person.yes:
        raise NoTokens(f"The price is {shown}.")
    person.terminal.say(f"You have no token of {shown}. Tokens are withdrawn in packs of one size,")
    person.terminal.say(f"{TOKEN_PACK} for {total} in all; what is left goes back with `deposit`.")
    if not person.confirm(f"Withdraw {TOKEN_PACK} tokens of {shown}? (y/n) "):
        raise Declined
    with wallet.purchasing():
        async with visited(wallet, person, mention=False) as shopper:
            await ensure_login(shopper, person, None)
            await withdraw_tokens(shopper, price, TOKEN_PACK)


async def _pay(
    shopper: Shopper, person: Person, drawer: Drawer, wish: Wish, menu: Menu, product: Product
) -> Bought:
    wallet = shopper.wallet
    ask = person.terminal.interactive and not person.yes
    check_not_owned(shopper, person, menu, product, again=wish.again, ask=ask)

    def confirm(quote: Quote) -> bool:
        price = format_amount(quote.price, drawer.decimals)
        person.terminal.say(f"Pay to deliver: {price}, with a token")
        return person.confirm("Do you want to pay? (y/n) ")

    with wallet.purchasing():
        try:
            payment = TokenPayment(wallet.seed or b"", wallet.clock, now=wish.now)
            return await shopper.buy(menu, product, wish.out, confirm, payment)
        finally:
            drawer.close()
