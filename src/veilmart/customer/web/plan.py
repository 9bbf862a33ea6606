"""The customer's face: its menu and all its pages."""

from collections.abc import Sequence

from veilmart.customer.library.holdings import ending_notes
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.hints import HINTS
from veilmart.customer.web.joining import JoiningPages
from veilmart.customer.web.library import LibraryPages
from veilmart.customer.web.money import MoneyPages
from veilmart.customer.web.ordering import OrderPages
from veilmart.customer.web.paying import PayingPages
from veilmart.customer.web.shopping import ShoppingPages
from veilmart.customer.web.trusting import TrustPages
from veilmart.customer.web.words import WordsPages
from veilmart.errors import BadLink
from veilmart.protocol.address import parse_link
from veilmart.web.plan import Plan, Web, WebRoute
from veilmart.web.rendering import MenuEntry

MENU = (
    MenuEntry("/", "Start"),
    MenuEntry("/merchants", "Merchants"),
    MenuEntry("/library", "Library"),
    MenuEntry("/orders", "Orders"),
    MenuEntry("/money", "Money"),
    MenuEntry("/tokens", "Tokens"),
    MenuEntry("/wallet", "Wallet"),
    MenuEntry("/trust", "Trust"),
    MenuEntry("/settings", "Settings"),
)


def customer_plan(desk: Desk, link: str | None) -> Plan:
    """link: opens the page with its fingerprints, and does nothing else. Raises BadLink."""
    parsed = None if link is None else parse_link(link)
    if parsed is not None and parsed.broker is None:
        raise BadLink("Give a veilmart:// link.")

    def routes(web: Web) -> Sequence[WebRoute]:
        shopping = ShoppingPages(desk, web)
        joining = JoiningPages(desk, web, parsed)
        orders = OrderPages(desk, web)
        orders.begin_if_unfinished()
        web.pages.show_notices(
            lambda: desk.wallet.database.run_now(ending_notes, desk.wallet.clock())
        )
        pages = (
            joining,
            shopping,
            PayingPages(desk, web, shopping),
            orders,
            LibraryPages(desk, web),
            MoneyPages(desk, web),
            WordsPages(desk, web),
            TrustPages(desk, web),
        )
        return [route for page in pages for route in page.routes()]

    return Plan(
        title="veilmart customer",
        package="veilmart.customer.web",
        menu=MENU,
        routes=routes,
        unlock=desk.right_passphrase,
        unlockable=lambda: desk.seeded_and_protected,
        on_lock=desk.forget_seed,
        hints=HINTS,
    )
