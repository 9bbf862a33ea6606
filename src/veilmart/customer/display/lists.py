"""What commands show of menus and orders: plain structs for JSON, lines for people."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from veilmart.customer.browsing.menu import Menu
from veilmart.customer.display.goods import FILE, LICENCE, Deal, deal_lines
from veilmart.customer.quote import Quote
from veilmart.errors import BadArgument, NoSuchProduct
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.catalogue import NO_ROOT, Product
from veilmart.protocol.typed_text import shown_text, sought
from veilmart.protocol.unicode_forms import normalize
from veilmart.storage.files.partial_file import visible

ID_PREFIX_MIN = 4
TITLE_PART_MIN = 3
SUGGESTED_MAX = 5
NUMBER_MAX_DIGITS = 9
_ACCENTS = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True)
class MenuLine:
    """number: from 1, as the menu counts. id: hexadecimal. size: true bytes. download: padded.

    deliver_within, settle_within: seconds until a refund, and to dispute.
    """

    number: int
    id: str
    title: str
    description: str
    file_name: str
    size: int
    version: int
    price: str
    available: bool
    tags: list[str]
    kind: str
    download: int
    merchant: str
    deliver_within: int
    settle_within: int


def menu_lines(menu: Menu, decimals: int, search: str = "") -> list[MenuLine]:
    """Every product that has the text, numbered from 1 as in the whole menu."""
    prices = {
        shelf.id: format_amount(shelf.price, decimals) for shelf in menu.merchant.descriptor.shelves
    }
    lines = []
    for number, product in menu.search(search):
        deal = deal_of(menu, product)
        line = MenuLine(
            number=number,
            id=product.id.hex(),
            title=visible(product.title),
            description=visible(product.description),
            file_name=visible(product.file_name),
            size=product.size,
            version=product.version,
            price=prices[product.shelf],
            available=product.available,
            tags=[visible(tag) for tag in product.tags],
            kind=deal.kind,
            download=deal.download,
            merchant=visible(deal.merchant),
            deliver_within=deal.deliver_within,
            settle_within=deal.settle_within,
        )
        lines.append(line)
    return lines


def menu_text(line: MenuLine) -> str:
    """A line of the menu."""
    note = "" if line.available else "  (not available)"
    what = line.kind if line.kind == LICENCE else f"{line.size:,} bytes"
    return f"{line.number:>3}. {line.title}  {line.price}  {what}{note}"


def deal_of(menu: Menu, product: Product) -> Deal:
    """Raises NoSuchProduct when the product's shelf is gone."""
    shelf = menu.shelf(product)
    return Deal(
        product.title,
        LICENCE if product.root == NO_ROOT else FILE,
        product.file_name,
        product.size,
        shelf.size,
        menu.merchant.descriptor.name,
        shelf.deliver_within,
        shelf.settle_within,
    )


def what_is_paid_for(quote: Quote) -> list[str]:
    """Lines before the question whether to pay: title, kind, sizes, merchant, refund terms."""
    product, offer = quote.choice.product, quote.offer
    kind = LICENCE if product.root == NO_ROOT else FILE
    return deal_lines(
        Deal(
            product.title,
            kind,
            product.file_name,
            product.size,
            offer.size,
            quote.choice.merchant.descriptor.name,
            offer.deliver_within,
            offer.settle_within,
        )
    )


def find_product(menu: Menu, wanted: str) -> Product:
    """By title, number of the menu, beginning of the id, or a part that only one title has.

    Raises NoSuchProduct with the nearest titles; BadArgument when it could be several.
    """
    products, wanted = menu.products, shown_text(wanted)
    for titled in (
        [product for product in products if shown_text(product.title) == wanted],
        [product for product in products if sought(product.title) == sought(wanted)],
    ):
        if len(titled) == 1:
            return titled[0]
    if is_number(wanted) and 1 <= int(wanted) <= len(products):
        return products[int(wanted) - 1]
    prefix = wanted.lower() if len(wanted) >= ID_PREFIX_MIN else " "
    found = [product for product in products if product.id.hex().startswith(prefix)]
    if not found and len(wanted) >= TITLE_PART_MIN:
        found = [product for product in products if sought(wanted) in sought(product.title)]
    if not found:
        near = _nearest(wanted, [product.title for product in products])
        hint = f" Did you mean {', '.join(map(_quoted, near))}?" if near else ""
        raise NoSuchProduct(f"{_quoted(wanted[:80])}.{hint}")
    if len(found) > 1:
        titles = ", ".join(_quoted(product.title) for product in found[:SUGGESTED_MAX])
        raise BadArgument(f"It could be {titles}{' and others' * (len(found) > SUGGESTED_MAX)}.")
    return found[0]


def _nearest(wanted: str, titles: list[str]) -> list[str]:
    """A few titles that somebody may have meant who types no accents, or mistypes a letter."""
    bare = {_bare(title): title for title in titles}
    looked_for = _bare(wanted)
    parts = [form for form in bare if len(looked_for) >= TITLE_PART_MIN and looked_for in form]
    found = parts or get_close_matches(looked_for, bare)
    return [bare[form] for form in found[:SUGGESTED_MAX]]


def _bare(text: str) -> str:
    """Without the accents on its letters."""
    return _ACCENTS.sub("", normalize("NFD", sought(text)))


def _quoted(title: str) -> str:
    return f'"{visible(title)}"'


def is_number(text: str) -> bool:
    """Whether it can be a number of the menu."""
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_MAX_DIGITS
