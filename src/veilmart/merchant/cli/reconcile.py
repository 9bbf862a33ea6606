"""`veilmart merchant reconcile`."""

import os

from veilmart.errors import PeerFault
from veilmart.merchant.back_office.reconcile import Reconciled, reconcile_books
from veilmart.merchant.cli.back_office import WhichBroker
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import open_merchant
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.home import default_home
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Console

SHOWN_MAX = 20


@command
async def reconcile(*, broker: WhichBroker = None, common: Common = Common()) -> int:
    """Compare the merchant's books with the broker's signed statement, and store the statement.

    Exit code 5 if anything differs.
    """
    with open_merchant(common.home or default_home("merchant"), common.database) as market:
        decimals = market.database.run_now(read_shop).decimals
        result = await reconcile_books(market, unix_now(), os.urandom, which=broker)
    common.terminal().result(result, lambda console: _draw(console, result, decimals))
    return 0 if result.fits else PeerFault.exit_code


def _draw(console: Console, result: Reconciled, decimals: int) -> None:
    totals = result.totals

    def show(amount: int) -> str:
        return format_amount(amount, decimals)

    def say(text: str) -> None:
        console.print(text)

    say(f"{result.entries} orders have ended.")
    say(f"Sold {show(totals.settled)}, fees {show(totals.fees)}, ")
    say(f"given back {show(totals.given_back)}, refunded before the sale {show(totals.refunded)}.")
    say(f"Held for you {show(totals.held + totals.released)}, balance {show(totals.balance)}.")
    say(f"Paid out {show(totals.paid_out)}: compare this with the payments you received.")
    if totals.credited:
        say(f"Credited by the operator: {show(totals.credited)}.")
    for difference in result.differences[:SHOWN_MAX]:
        say(f"DIFFERS {difference.name}: {difference.row}: {difference.what}")
    if len(result.differences) > SHOWN_MAX:
        say(f"and {len(result.differences) - SHOWN_MAX} more")
    verdict = "Your books and the broker's agree." if result.fits else "THE BOOKS DIFFER."
    say(f"{verdict} The signed statement is kept as {result.file}.")
