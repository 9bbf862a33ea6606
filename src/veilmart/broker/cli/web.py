"""`veilmart broker web`."""

import os

from veilmart.broker.cli.books import open_books
from veilmart.broker.web.desk import Desk
from veilmart.broker.web.plan import broker_plan
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, server_command
from veilmart.web.running import WebOptions, run_face


@server_command
async def web(*, options: WebOptions = WebOptions(), common: Common = Common()) -> None:
    """Operate the broker in the browser. This machine serves the pages to one person."""
    with open_books(common) as opened:
        desk = Desk(opened, unix_now, os.urandom)
        await run_face(broker_plan(desk), opened.home, common.terminal(), options)
