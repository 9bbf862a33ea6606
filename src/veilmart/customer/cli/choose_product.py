"""Choosing a product from a menu, and warning of products that are already owned."""

from veilmart.customer.browsing.menu import Menu
from veilmart.customer.cli.prompts import Person
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.display.lists import find_product, is_number, menu_lines, menu_text
from veilmart.customer.wallet.orders import owned
from veilmart.errors import AlreadyOwned, Declined
from veilmart.protocol.catalogue import Product
from veilmart.storage.files.partial_file import visible


def choose_product(menu: Menu, person: Person, decimals: int, wanted: str | None) -> Product | None:
    """The named product, or one chosen from the menu; None for 0.

    Raises NoSuchProduct, BadArgument, InputEnded.
    """
    if wanted is None:
        return choose_from_menu(menu, person, decimals)
    return find_product(menu, wanted)


def choose_from_menu(menu: Menu, person: Person, decimals: int) -> Product | None:
    """Show the menu and ask for a number; None for 0. Raises InputEnded."""
    say = person.terminal.say
    products = menu.products
    say(f"{visible(menu.merchant.descriptor.name)}")
    for line in menu_lines(menu, decimals):
        say(menu_text(line))
    while True:
        answer = person.ask("Enter your selection: ").strip()
        if is_number(answer) and int(answer) <= len(products):
            number = int(answer)
            return products[number - 1] if number else None
        say(f"Please enter a number from 1 to {len(products)}, or 0 to leave.")


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
    person.terminal.say(f"You already own this ({about}; on sale is version {product.version}).")
    if not person.confirm("Do you want to buy it again? (y/n) "):
        raise Declined
