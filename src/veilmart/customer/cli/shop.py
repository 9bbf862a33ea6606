"""`veilmart customer browse|buy|shop`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.customer.browsing.menu import Menu
from veilmart.customer.cli.account import InvitationCode, PasswordFile, Yes
from veilmart.customer.cli.buying import (
    FromAccount,
    Wish,
    buy_one,
    open_menu,
    pay_and_fetch,
    with_seed,
)
from veilmart.customer.cli.choose_product import check_not_owned, choose_from_menu
from veilmart.customer.cli.connect import choose_merchant, visited
from veilmart.customer.cli.network import ProxyOption
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.passphrase import PassphraseFile, unlocked_if_seeded
from veilmart.customer.cli.progress import Drawer
from veilmart.customer.cli.prompts import Person, login_person, register_or_log_in
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.display.lists import menu_lines, menu_text
from veilmart.customer.display.order_lines import order_line
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.errors import (
    BadArgument,
    CannotDo,
    Declined,
    InputEnded,
    NeedsConfirmation,
    Refusal,
    VeilmartError,
)
from veilmart.protocol.address import SCHEME, Link, parse_link
from veilmart.protocol.catalogue import Product
from veilmart.terminal.command import PURCHASE, Common, command, command_about
from veilmart.terminal.console import Console, Terminal

Merchant = Annotated[
    str | None, Parameter(help="Name or beginning of the fingerprint; default: the last one.")
]
SuiteName = Annotated[str | None, Parameter(name="--suite", help="Cipher suite by its name.")]
Out = Annotated[Path, Parameter(help="Folder for the finished file.")]


@command
async def browse(
    *,
    merchant: Merchant = None,
    search: Annotated[str | None, Parameter(help="Show only products with this text.")] = None,
    yes: Yes = False,
    common: Common = Common(),
) -> None:
    """Show a merchant's products.

    The search runs on this machine, so nobody sees what you look for.
    """
    person = Person(common.terminal(), yes)
    with opened_wallet(common) as wallet:
        async with visited(wallet, person, anonymous=True) as shopper:
            menu = await shopper.browse(await choose_merchant(shopper, person, merchant))
            decimals = shopper.broker.descriptor.decimals
    lines = menu_lines(menu, decimals, search or "")

    def draw(console: Console) -> None:
        if lines:
            console.print(lines[0].merchant)
        for line in lines:
            tags = f"  ({', '.join(line.tags)})" if line.tags else ""
            console.print(f"{menu_text(line)}  [{line.id[:8]}]{tags}")
        if not lines:
            console.print("Nothing found.")

    person.terminal.result({"products": lines}, draw)


# ---- buy -----------------------------------------------------------------------


@command_about(PURCHASE)
async def buy(
    product: Annotated[str, Parameter(help="Link, title, number of the menu, or id.")],
    *,
    merchant: Merchant = None,
    yes: Yes = False,
    out: Out = Path(),
    again: Annotated[bool, Parameter(help="Buy a product that you already own.")] = False,
    suite: SuiteName = None,
    anonymous: Annotated[
        bool,
        Parameter(help="Pay with a token, without an account. Default if one fits.", negative=""),
    ] = False,
    account: Annotated[
        bool, Parameter(help="Pay from the balance, even if a token fits.", negative="")
    ] = False,
    now: Annotated[
        bool,
        Parameter(
            help="Spend a token even if it is fresh; without one, withdraw some in this run.",
            negative="",
        ),
    ] = False,
    proxy: ProxyOption = None,
    password_file: PasswordFile = None,
    passphrase_file: PassphraseFile = None,
    invitation: InvitationCode = None,
    common: Common = Common(),
) -> int:
    """Buy one product. A link needs no preparation."""
    if anonymous and account:
        raise BadArgument("A purchase is paid with a token or from the account, not both.")
    link = parse_link(product) if product.lower().startswith(f"{SCHEME}://") else None
    wish = Wish(
        wanted=product if link is None else link.product,
        link=link,
        merchant=merchant,
        out=out,
        again=again,
        suite=suite,
        insists=anonymous,
        now=now,
    )
    person = Person(common.terminal(), yes)
    drawer = Drawer(person.terminal)
    with opened_wallet(common, proxy, fresh=link is not None) as locked:
        wallet = unlocked_if_seeded(locked, person, passphrase_file)
        if anonymous:
            wallet = with_seed(wallet, person, passphrase_file)
        way = FromAccount(password_file, invitation)
        try:
            bought = await buy_one(wallet, person, drawer, wish, way, token=not account)
        except Declined as declined:
            return declined.exit_code
    if bought is not None:
        person.terminal.result(order_line(bought.order), lambda console: None)
    return 0


# ---- shop -----------------------------------------------------------------------


@command_about(PURCHASE)
async def shop(
    address: Annotated[
        str | None, Parameter(help="Link or URL; default: the broker used last.")
    ] = None,
    *,
    merchant: Merchant = None,
    out: Out = Path(),
    suite: SuiteName = None,
    proxy: ProxyOption = None,
    passphrase_file: PassphraseFile = None,
    invitation: InvitationCode = None,
    common: Common = Common(),
) -> None:
    """Log in, look at the menu without the account, buy from it, step by step."""
    person = Person(common.terminal())
    drawer = Drawer(person.terminal, sessions=True)
    link: Link | None = None if address is None else parse_link(address)
    with opened_wallet(common, proxy, fresh=link is not None) as locked:
        wallet = unlocked_if_seeded(locked, person, passphrase_file)
        async with visited(wallet, person, link, suite=suite, observe=drawer) as shopper:
            drawer.decimals = shopper.broker.descriptor.decimals
            if shopper.session.login is None:
                await register_or_log_in(shopper, person, None, invitation)
            else:
                await login_person(shopper, person, None, None)
            async with visited(
                wallet, person, link, suite=suite, observe=drawer, mention=False, anonymous=True
            ) as visitor:
                menu = await open_menu(visitor, person, link, merchant)
            while (chosen := _next_choice(menu, person, drawer.decimals)) is not None:
                await _serve_choice(shopper, person, drawer, menu, chosen, out)


def _next_choice(menu: Menu, person: Person, decimals: int) -> Product | None:
    """None for 0; the end of the input ends the visit as well."""
    try:
        return choose_from_menu(menu, person, decimals)
    except InputEnded:
        person.terminal.say("")
        return None


async def _serve_choice(
    shopper: Shopper, person: Person, drawer: Drawer, menu: Menu, product: Product, out: Path
) -> None:
    """One purchase; a refusal or "no" leads back to the menu."""
    try:
        check_not_owned(shopper, person, menu, product, again=False, ask=True)
        await pay_and_fetch(shopper, person, drawer, menu, product, out, AccountPayment())
    except (Declined, NeedsConfirmation):
        return
    except (Refusal, CannotDo) as error:
        _tell_error(person.terminal, error)


def _tell_error(terminal: Terminal, error: VeilmartError) -> None:
    terminal.errors.print(error.explain())
