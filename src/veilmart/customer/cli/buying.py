"""One purchase with a person: look, choose, pay in one of two ways, fetch.

Looking is anonymous. A token pays on the same connection; the account pays on one of its own,
which sees neither the menu nor what else was looked at.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from veilmart.customer.browsing.menu import Menu
from veilmart.customer.cli.choose_product import check_not_owned, choose_product
from veilmart.customer.cli.connect import choose_merchant, mention_token_use, visited
from veilmart.customer.cli.passphrase import unlocked
from veilmart.customer.cli.progress import Drawer
from veilmart.customer.cli.prompts import Person, ensure_login
from veilmart.customer.cli.wallet import make_seed
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.display.lists import what_is_paid_for
from veilmart.customer.library.holdings import expired_lately
from veilmart.customer.purchase.completion_rules import Bought
from veilmart.customer.purchase.payment_rules import (
    AccountPayment,
    Payment,
    TokenPayment,
    is_fresh,
    token_for,
)
from veilmart.customer.quote import Quote
from veilmart.customer.tokens.stock import check_price, withdraw_tokens
from veilmart.customer.tokens.stocks import keep_stock, own_day
from veilmart.customer.trust.pins import stored_login
from veilmart.customer.wallet.account_use import ACCOUNT_USED_LATELY, account_used_lately
from veilmart.customer.wallet.seed import has_seed
from veilmart.customer.wallet.seed_state import usable
from veilmart.customer.wallet.tokens import any_unspent
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import Declined, NoSeed, NotLoggedIn, NoTokens, SpendingTooSoon
from veilmart.limits import TOKEN_PACK
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.address import Link
from veilmart.protocol.catalogue import Product

FIRST_WORDS = 12
NOW_GIVES_AWAY = (
    "All in this run: anyone who sees that an account withdraws, and that somebody without a login",
    "looked before and buys right after, knows that it is the same person.",
)


@dataclass(frozen=True)
class Wish:
    """The arguments of `buy`. wanted: title, number or id, None to choose from the menu.

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


@dataclass(frozen=True)
class FromAccount:
    """From the balance, logged in. password: a file, or None to ask. invitation: for an account."""

    password: Path | None
    invitation: str | None = None


async def buy_one(
    wallet: Wallet, person: Person, drawer: Drawer, wish: Wish, account: FromAccount, token: bool
) -> Bought | None:
    """With a token where one fits, else from the account; None when nothing is chosen.

    The menu is looked at on an anonymous connection, with either way to pay. token: whether one may
    pay. Raises NoTokens when the wish insists on one, and what a
    purchase raises.
    """
    token = token and (wish.insists or _has_tokens(wallet))
    if token:
        wallet.database.run_now(usable)
    while True:
        chosen = await _choose(wallet, person, drawer, wish, token)
        if not isinstance(chosen, Chosen):
            return chosen
        if not wish.insists:
            if token:
                ask_for_the_account(wallet, person)
            return await _buy_from_account(wallet, person, drawer, wish, chosen, account)
        if not wish.now:
            keep_pack(wallet, person, chosen, drawer.decimals)
            return None
        # The choice stays here; the account is asked for a whole pack, on its own connection.
        wish = replace(wish, wanted=chosen.product.id.hex())
        await _withdraw_pack(wallet, person, chosen.price, drawer.decimals)


@dataclass(frozen=True)
class Chosen:
    """What no token pays for yet. broker: fingerprint."""

    broker: bytes
    menu: Menu
    product: Product

    @property
    def price(self) -> int:
        return self.menu.shelf(self.product).price


async def _choose(
    wallet: Wallet, person: Person, drawer: Drawer, wish: Wish, token: bool
) -> Bought | Chosen | None:
    """On one anonymous connection: look, choose, and buy if a token fits."""
    async with visited(
        wallet, person, wish.link, suite=wish.suite, observe=drawer, anonymous=True
    ) as shopper:
        drawer.decimals = shopper.broker.descriptor.decimals
        menu = await open_menu(shopper, person, wish.link, wish.merchant)
        product = choose_product(menu, person, drawer.decimals, wish.wanted)
        if product is None:
            return None
        chosen = Chosen(shopper.broker.fingerprint, menu, product)
        payment = None
        if token:
            payment = await _token_payment(shopper, person, chosen.price, now=wish.now)
        ask = person.terminal.interactive and not person.yes
        check_not_owned(shopper, person, menu, product, again=wish.again, ask=ask)
        if payment is None:
            return chosen
        return await pay_and_fetch(shopper, person, drawer, menu, product, wish.out, payment)


async def _token_payment(
    shopper: Shopper, person: Person, price: int, *, now: bool
) -> TokenPayment | None:
    """With a token of the price; None if there is none. Raises Declined when the person waits.

    now: however fresh it is. A person whose account was here a moment ago is told.
    """
    wallet, broker = shopper.wallet, shopper.broker
    check_price(broker.descriptor, price)
    chosen = await wallet.database.run(token_for, broker, price, wallet.clock())
    if chosen is None:
        return None
    if await wallet.database.run(account_used_lately, wallet.clock()):
        for line in ACCOUNT_USED_LATELY:
            person.terminal.say(line)
    if not now and is_fresh(chosen.token, wallet.clock()):
        _ask_to_spend_fresh(person)
        now = True
    return TokenPayment(wallet.seed or b"", wallet.clock, now=now)


async def _buy_from_account(
    wallet: Wallet,
    person: Person,
    drawer: Drawer,
    wish: Wish,
    chosen: Chosen,
    account: FromAccount,
) -> Bought:
    mention_token_use(wallet, person)
    async with visited(
        wallet, person, wish.link, suite=wish.suite, observe=drawer, mention=False
    ) as shopper:
        await ensure_login(shopper, person, account.password, account.invitation)
        payment = AccountPayment()
        return await pay_and_fetch(
            shopper, person, drawer, chosen.menu, chosen.product, wish.out, payment
        )


def ask_for_the_account(wallet: Wallet, person: Person) -> None:
    """Ask before the account pays because the last fitting token has expired.

    Raises NoTokens where nobody can be asked, Declined.
    """
    gone = wallet.database.run_now(expired_lately, wallet.clock())
    if not gone:
        return
    error = NoTokens(f"{gone} expired. `--account` pays from the account.")
    if person.yes or not person.terminal.interactive:
        raise error
    person.terminal.say(f"No token pays for this: {gone} expired.")
    person.terminal.say("Paid from the account, the broker learns who buys.")
    if not person.confirm("Pay from the account this time? (y/n) "):
        raise Declined("Nothing was bought.")


def _has_tokens(wallet: Wallet) -> bool:
    """Whether there is an unspent token of any price at any broker, and the words to spend it."""
    return wallet.seed is not None and wallet.database.run_now(any_unspent)


async def open_menu(
    shopper: Shopper, person: Person, link: Link | None, merchant: str | None
) -> Menu:
    """The catalogue of the link's merchant, or of the one that is named or asked for."""
    fingerprint = None if link is None else link.merchant
    if fingerprint is None:
        fingerprint = await choose_merchant(shopper, person, merchant)
    return await shopper.browse(fingerprint)


async def pay_and_fetch(
    shopper: Shopper,
    person: Person,
    drawer: Drawer,
    menu: Menu,
    product: Product,
    out: Path,
    payment: Payment,
) -> Bought:
    """The purchase itself, with the question "Do you want to pay?" in its middle."""
    agreed_to: list[str] = []

    def confirm(quote: Quote) -> bool:
        price, after = format_amount(quote.price, drawer.decimals), "with a token"
        if quote.balance_after is not None:
            after = f"balance after {format_amount(quote.balance_after, drawer.decimals)}"
        lines = [*what_is_paid_for(quote), f"Pay to deliver: {price}, {after}"]
        if person.yes:
            # Nobody reads them before the payment leaves, and a long title takes longer to print.
            agreed_to.extend(lines)
            return True
        for line in lines:
            person.terminal.say(line)
        return person.confirm("Do you want to pay? (y/n) ")

    with shopper.wallet.purchasing():
        try:
            return await shopper.buy(menu, product, out, confirm, payment)
        finally:
            drawer.close()
            for line in agreed_to:
                person.terminal.say(line)


def with_seed(wallet: Wallet, person: Person, file: Path | None) -> Wallet:
    """The wallet unlocked; words are drawn first where there are none. Raises NoSeed."""
    if wallet.seed is not None:
        return wallet
    if has_seed(wallet):
        return unlocked(wallet, person, file)
    if not person.terminal.interactive or person.yes:
        raise NoSeed
    for line in (
        "Buying without an account works with tokens: you withdraw some from your balance first,",
        "and pay with them later. The broker cannot tell whose token it receives.",
        "Tokens are derived from a few words, which this wallet draws now.",
    ):
        person.terminal.say(line)
    with wallet.purchasing():
        return make_seed(wallet, person, FIRST_WORDS, file, none=False)[0]


def _ask_to_spend_fresh(person: Person) -> None:
    """Fresh tokens are spent when the person says so. Raises SpendingTooSoon, Declined."""
    if not person.terminal.interactive or person.yes:
        raise SpendingTooSoon
    person.terminal.say(
        "Your tokens were withdrawn less than a day ago. Spent now, they let the broker guess"
    )
    person.terminal.say(
        "that the buyer is somebody who has just withdrawn. Tomorrow they will not."
    )
    if not person.confirm("Buy now anyway? (y/n) "):
        raise Declined("Nothing was bought; your tokens stay.")


def keep_pack(wallet: Wallet, person: Person, chosen: Chosen, decimals: int) -> None:
    """Let `sync` withdraw a pack, in the wallet's own hours: this run was somebody who looks.

    A withdrawal seconds later would tell which account looks at this merchant, and a purchase after
    it which account buys. Raises NotLoggedIn, Declined, and NoTokens where nobody can be asked.
    """
    shown, total = (format_amount(n, decimals) for n in (chosen.price, chosen.price * TOKEN_PACK))
    if not person.terminal.interactive or person.yes:
        raise NoTokens(f"The price is {shown}.")
    if wallet.database.run_now(stored_login, chosen.broker) is None:
        raise NotLoggedIn(f"There is no token of {shown}, and no account to withdraw some from.")
    for line in (
        f"You have no token of {shown}. Withdrawn now, it would tell the broker who looks here.",
        f"`veilmart customer sync` can withdraw {TOKEN_PACK} for {total} in all at a random time,",
        "on another connection, and keep as many in stock. Buy a day later.",
        "(`--now` withdraws and buys in this run: the broker can tell that the buyer is you.)",
    ):
        person.terminal.say(line)
    if not person.confirm(f"Let `sync` withdraw {TOKEN_PACK} tokens of {shown}? (y/n) "):
        raise Declined("Nothing was withdrawn or bought.")
    state = wallet.database.run_now(usable)
    today, _ = own_day(wallet.clock(), state.refill_second)
    wallet.database.run_now(keep_stock, chosen.broker, chosen.price, TOKEN_PACK, today - 1)
    person.terminal.say("Nothing was sent for it. Run `sync` often, or from a timer.")


async def _withdraw_pack(wallet: Wallet, person: Person, price: int, decimals: int) -> None:
    shown, total = (format_amount(amount, decimals) for amount in (price, price * TOKEN_PACK))
    if not person.terminal.interactive or person.yes:
        raise NoTokens(f"The price is {shown}.")
    for line in NOW_GIVES_AWAY:
        person.terminal.say(line)
    person.terminal.say(f"You have no token of {shown}. Tokens are withdrawn in packs of one size,")
    person.terminal.say(f"{TOKEN_PACK} for {total} in all; what is left goes back with `deposit`.")
    if not person.confirm(f"Withdraw {TOKEN_PACK} tokens of {shown}? (y/n) "):
        raise Declined
    mention_token_use(wallet, person)
    with wallet.purchasing():
        async with visited(wallet, person, mention=False) as shopper:
            await ensure_login(shopper, person, None)
            await withdraw_tokens(shopper, price, TOKEN_PACK)
