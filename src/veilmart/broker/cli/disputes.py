"""`veilmart broker disputes`."""

from veilmart.broker import settings
from veilmart.broker.cli.books import open_books
from veilmart.broker.disputes.records import dispute_lines
from veilmart.protocol import moments
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.tables import show_table


@command
def disputes(*, common: Common = Common()) -> None:
    """List decided disputes, newest first. They need no action."""
    with open_books(common) as opened:
        lines = opened.database.read_now(dispute_lines)
        decimals = opened.database.run_now(settings.load).decimals
    rows = [
        (
            f"{moments.moment(line.at):%Y-%m-%d %H:%M}",
            line.order[:8],
            visible(line.merchant),
            format_amount(line.amount, decimals),
            line.outcome,
            line.finding,
        )
        for line in lines
    ]
    heads = ("Decided (UTC)", "Order", "Merchant", "Amount", "Outcome", "Why")
    show_table(common.terminal(), lines, heads, rows)
