"""`veilmart customer browse|buy|shop`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from veilmart.customer.cli_account import PasswordFile, Yes
from veilmart.customer.completion_rule import Bought
from veilmart.customer.drawing import Drawer
from veilmart.customer.listing import find_product, menu_lines, menu_text, order_line
from veilmart.customer.menu import Menu
from veilmart.customer.order import owned
from veilmart.customer.person import Person, ensure_login, login_person
from veilmart.customer.quote import Quote
from veilmart.customer.shopper import Shopper
from veilmart.customer.visit import choose_merchant, opened_wallet, visited
from veilmart.errors import (
    AlreadyOwned,
    CannotDo,
    Declined,
    NeedsConfirmation,
    Refusal,
    VeilmartError,
)
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.address import SCHEME, Link, parse_link
from veilmart.protocol.catalogue import Product
from veilmart.storage.files import visible
from veilmart.terminal.command import Common, run
from veilmart.terminal.console import Terminal

Merchant = Annotated[
    str | None, Parameter(help="Name or beginning of the fingerprint; default: the last one.")
]
SuiteName = Annotated[str | None, Parameter(name="--suite", help="Cipher suite by its name.")]
Out = Annotated[Path, Parameter(help="Folder for the finished file.")]


def register_shop(app: App) -> None:
    """Add these commands to the customer's command tree."""
    for command in (browse, buy, shop):
        app.command(command)


def browse(
    *,
    merchant: Merchant = None,
    search: Annotated[str | None, Parameter(help="Only what has this text.")] = None,
    yes: Yes = False,
    common: Common = Common(),
) -> int:
    """Show a merchant's products. The search happens here: nobody sees what you look for."""
    return run(_browse(merchant, search, yes, common), common)


async def _browse(merchant: str | None, search: str | None, yes: bool, common: Common) -> None:
    person = Person(common.terminal(), yes)
    with opened_wallet(common) as wallet:
        async with visited(wallet, person) as shopper:
            menu = await shopper.browse(await choose_merchant(shopper, person, merchant))
            decimals = shopper.broker.descriptor.decimals
    lines = menu_lines(menu, decimals, search or "")

    def draw(console: Console) -> None:
        for line in lines:
            tags = f"  ({', '.join(line.tags)})" if line.tags else ""
            console.print(f"{menu_text(line)}  [{line.id[:8]}]{tags}", markup=False)
        if not lines:
            console.print("Nothing found.")

    person.terminal.result({"products": lines}, draw)


# ---- buy -----------------------------------------------------------------------


def buy(
    product: Annotated[str, Parameter(help="Link, title, number of the menu, or id.")],
    *,
    merchant: Merchant = None,
    yes: Yes = False,
    out: Out = Path(),
    again: Annotated[bool, Parameter(help="Buy what you own already.")] = False,
    suite: SuiteName = None,
    password_file: PasswordFile = None,
    common: Common = Common(),
) -> int:
    """Buy one product; a link works with nothing prepared."""
    return run(_buy(product, merchant, yes, out, again, suite, password_file, common), common)


async def _buy(
    wanted: str,
    merchant: str | None,
    yes: bool,
    out: Path,
    again: bool,
    suite: str | None,
    password_file: Path | None,
    common: Common,
) -> int:
    person = Person(common.terminal(), yes)
    drawer = Drawer(person.terminal)
    link = parse_link(wanted) if wanted.lower().startswith(f"{SCHEME}://") else None
    with opened_wallet(common) as wallet:
        async with visited(wallet, person, link, suite=suite, observe=drawer) as shopper:
            drawer.decimals = shopper.broker.descriptor.decimals
            await ensure_login(shopper, person, password_file)
            fingerprint = None if link is None else link.merchant
            if fingerprint is None:
                fingerprint = await choose_merchant(shopper, person, merchant)
            menu = await shopper.browse(fingerprint)
            text = wanted if link is None else link.product
            if text is None:
                chosen = _choose(menu, person, drawer.decimals)
            else:
                chosen = find_product(menu, text)
            if chosen is None:
                return 0
            ask = person.terminal.interactive and not yes
            check_not_owned(shopper, person, menu, chosen, again=again, ask=ask)
            try:
                bought = await pay_and_fetch(shopper, person, drawer, menu, chosen, out)
            except Declined as declined:
                return declined.exit_code
    person.terminal.result(order_line(bought.order), lambda console: None)
    return 0


def check_not_owned(
    shopper: Shopper, person: Person, menu: Menu, product: Product, *, again: bool, ask: bool
) -> None:
    """Say before paying that it is owned, and `ask`. Raises AlreadyOwned, Declined."""
    mine = shopper.wallet.database.run_now(owned, menu.merchant.fingerprint, product.id)
    if again or not mine:
        return
    newest = mine[0]
    about = f"version {newest.version}, order {newest.order.hex()[:8]}"
    if not ask:
        raise AlreadyOwned(f"It is {about}.")
    person.terminal.say(f"You own this already ({about}; on sale is version {product.version}).")
    if not person.confirm("Do you want to buy it again? (y/n) "):
        raise Declined


async def pay_and_fetch(
    shopper: Shopper, person: Person, drawer: Drawer, menu: Menu, product: Product, out: Path
) -> Bought:
    """The purchase itself, with the question "Do you want to pay?" in its middle."""

    def confirm(quote: Quote) -> bool:
        price = format_amount(quote.price, drawer.decimals)
        after = format_amount(quote.balance_after, drawer.decimals)
        person.terminal.say(f"Pay to deliver: {price}, balance after {after}")
        return person.confirm("Do you want to pay? (y/n) ")

    with shopper.wallet.purchasing():
        try:
            return await shopper.buy(menu, product, out, confirm)
        finally:
            drawer.close()


# ---- shop -----------------------------------------------------------------------


def shop(
    address: Annotated[
        str | None, Parameter(help="Link or URL; default: the broker used last.")
    ] = None,
    *,
    merchant: Merchant = None,
    out: Out = Path(),
    suite: SuiteName = None,
    common: Common = Common(),
) -> int:
    """Log in, look at the menu, buy, step by step."""
    return run(_shop(address, merchant, out, suite, common), common)


async def _shop(
    address: str | None, merchant: str | None, out: Path, suite: str | None, common: Common
) -> None:
    person = Person(common.terminal())
    drawer = Drawer(person.terminal, sessions=True)
    link: Link | None = None if address is None else parse_link(address)
    with opened_wallet(common) as wallet:
        async with visited(wallet, person, link, suite=suite, observe=drawer) as shopper:
            drawer.decimals = shopper.broker.descriptor.decimals
            await login_person(shopper, person, None, None)
            fingerprint = None if link is None else link.merchant
            if fingerprint is None:
                fingerprint = await choose_merchant(shopper, person, merchant)
            menu = await shopper.browse(fingerprint)
            while (chosen := _choose(menu, person, drawer.decimals)) is not None:
                await _serve_choice(shopper, person, drawer, menu, chosen, out)


async def _serve_choice(
    shopper: Shopper, person: Person, drawer: Drawer, menu: Menu, product: Product, out: Path
) -> None:
    """One purchase; a refusal or a no leads back to the menu."""
    try:
        check_not_owned(shopper, person, menu, product, again=False, ask=True)
        await pay_and_fetch(shopper, person, drawer, menu, product, out)
    except (Declined, NeedsConfirmation):
        return
    except (Refusal, CannotDo) as error:
        _tell_error(person.terminal, error)


def _tell_error(terminal: Terminal, error: VeilmartError) -> None:
    terminal.errors.print(error.explain(), markup=False)


def _choose(menu: Menu, person: Person, decimals: int) -> Product | None:
    """Show the menu and ask for a number; None for 0 and at the end of the input."""
    say = person.terminal.say
    products = menu.products
    say(f"{visible(menu.merchant.descriptor.name)}")
    for line in menu_lines(menu, decimals):
        say(menu_text(line))
    while True:
        try:
            answer = person.ask("Enter your selection: ").strip()
        except NeedsConfirmation:
            say("")
            return None
        if answer.isascii() and answer.isdigit() and int(answer[:9]) <= len(products):
            number = int(answer[:9])
            return products[number - 1] if number else None
        say(f"Please enter a number from 1 to {len(products)}, or 0 to leave.")
