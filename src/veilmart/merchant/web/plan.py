"""The merchant's face: its menu and all its pages."""

from collections.abc import Sequence

from veilmart.merchant.web.desk import Desk
from veilmart.merchant.web.goods import GoodsPages
from veilmart.merchant.web.hints import HINTS
from veilmart.merchant.web.selling import SellingPages
from veilmart.merchant.web.shelving import ShelvingPages
from veilmart.merchant.web.start import StartPages
from veilmart.web.acts import Acts
from veilmart.web.plan import Plan, Web, WebRoute
from veilmart.web.rendering import MenuEntry

MENU = (
    MenuEntry("/", "Shop"),
    MenuEntry("/goods", "Goods"),
    MenuEntry("/import", "Import"),
    MenuEntry("/shelves", "Shelves"),
    MenuEntry("/codes", "Codes"),
    MenuEntry("/orders", "Orders"),
    MenuEntry("/sales", "Sales"),
    MenuEntry("/payouts", "Payouts"),
    MenuEntry("/reconcile", "Reconcile"),
    MenuEntry("/link", "Link"),
)


def merchant_plan(desk: Desk) -> Plan:
    """The owner's pages over an opened merchant."""

    def routes(web: Web) -> Sequence[WebRoute]:
        acts = Acts(web)
        pages = (
            acts,
            StartPages(desk, web),
            GoodsPages(desk, web, acts),
            ShelvingPages(desk, web, acts),
            SellingPages(desk, web, acts),
        )
        return [route for page in pages for route in page.routes()]

    return Plan("veilmart merchant", "veilmart.merchant.web", MENU, routes, hints=HINTS)
