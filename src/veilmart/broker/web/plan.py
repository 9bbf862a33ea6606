"""The broker's face: its menu and all its pages."""

from collections.abc import Sequence

from veilmart.broker.web.codes import CodePages
from veilmart.broker.web.desk import Desk
from veilmart.broker.web.hints import HINTS
from veilmart.broker.web.market_settings import SettingPages
from veilmart.broker.web.merchants import MerchantPages
from veilmart.broker.web.overview import OverviewPages
from veilmart.broker.web.people import PeoplePages
from veilmart.web.acts import Acts
from veilmart.web.plan import Plan, Web, WebRoute
from veilmart.web.rendering import MenuEntry

MENU = (
    MenuEntry("/", "Overview"),
    MenuEntry("/people", "People"),
    MenuEntry("/merchants", "Merchants"),
    MenuEntry("/vouchers", "Vouchers"),
    MenuEntry("/payouts", "Payouts"),
    MenuEntry("/disputes", "Disputes"),
    MenuEntry("/settings", "Fees and prices"),
    MenuEntry("/audit", "Audit"),
    MenuEntry("/metrics", "Metrics"),
)


def broker_plan(desk: Desk) -> Plan:
    """The operator's pages over an opened broker."""

    def routes(web: Web) -> Sequence[WebRoute]:
        acts = Acts(web)
        pages = (
            acts,
            OverviewPages(desk, web),
            PeoplePages(desk, web, acts),
            MerchantPages(desk, web, acts),
            CodePages(desk, web, acts),
            SettingPages(desk, web, acts),
        )
        return [route for page in pages for route in page.routes()]

    return Plan("veilmart broker", "veilmart.broker.web", MENU, routes, hints=HINTS)
