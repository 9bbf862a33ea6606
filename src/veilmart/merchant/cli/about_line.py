"""`veilmart merchant about`: the line that brokers list beside the shop's name."""

from typing import Annotated

from cyclopts import Parameter

from veilmart.merchant.cli.serving import home_of
from veilmart.merchant.goods.shop_row import read_shop, set_about
from veilmart.merchant.home import open_merchant
from veilmart.storage.files.names import visible
from veilmart.terminal.command import ServerCommon as Common, command


@command
def about(
    line: Annotated[str | None, Parameter(help='At most 300 bytes; "" takes it away.')] = None,
    *,
    common: Common = Common(),
) -> None:
    """Show or set the line about the shop that brokers list beside its name."""
    with open_merchant(home_of(common), common.database) as market:
        if line is not None:
            market.database.run_now(set_about, line)
        shown = market.database.run_now(read_shop).about
    common.terminal().result(
        {"about": shown},
        lambda console: console.print(visible(shown) or "No line is set."),
    )
