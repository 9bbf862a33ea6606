"""`veilmart merchant web`."""

import os

from veilmart.merchant.home import open_merchant
from veilmart.merchant.web.desk import Desk
from veilmart.merchant.web.plan import merchant_plan
from veilmart.storage.files.home import default_home
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, server_command
from veilmart.web.running import WebOptions, run_face


@server_command
async def web(*, options: WebOptions = WebOptions(), common: Common = Common()) -> None:
    """Run the shop in the browser. This machine serves the pages to one person."""
    with open_merchant(common.home or default_home("merchant"), common.database) as market:
        desk = Desk(market, unix_now, os.urandom)
        await run_face(merchant_plan(desk), market.home, common.terminal(), options)
