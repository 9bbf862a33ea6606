"""Everything that is due, as `customer sync` does it: each order on a connection of its own."""

from veilmart.customer.library.late_refund_rules import look, refund_visits
from veilmart.customer.library.updates import due_copies, fetch_due
from veilmart.customer.purchase.recovery_rules import Recovered, to_sync
from veilmart.customer.tokens.stock import due_stocks, refill
from veilmart.customer.wallet.orders import Order
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.progress import Progress
from veilmart.errors import NetworkFailure, VeilmartError
from veilmart.protocol.descriptor import read_descriptor
from veilmart.web.jobs import Report

OUTCOMES = {
    "done": "finished",
    "refunded": "refunded; the whole amount is back",
    "cancelled": "cancelled; the whole amount is back",
    "abandoned": "was never paid; no money moved",
}


async def sync(desk: Desk, report: Report) -> None:
    """A job. One failure stops nothing else. Raises HomeInUse."""
    async with desk.moving(report):
        failed = await _recover_all(desk, report)
        await _late_refunds(desk, report)
        failed += await fetch_new_versions(desk, report)
        failed += await _refill(desk, report)
    report.step(f"{failed} could not be finished yet." if failed else "Nothing is unfinished.")
    report.leads_to("/orders", "Orders")


async def _recover_all(desk: Desk, report: Report) -> int:
    """Orders that were cut off; how many still are."""
    failed = 0
    for order in to_sync(desk.wallet):
        try:
            recovered = await _recover(desk, order, report)
        except VeilmartError as error:
            failed += 1
            report.line(f"{order.title}: {error.explain()}")
            continue
        report.line(f"{order.title}: {OUTCOMES[recovered.outcome]}")
    return failed


async def _recover(desk: Desk, order: Order, report: Report) -> Recovered:
    decimals = read_descriptor(order.broker_descriptor).descriptor.decimals
    async with desk.visit_for(order, Progress(report, decimals)) as shopper:
        return await shopper.recover(order)


async def _late_refunds(desk: Desk, report: Report) -> None:
    """What a merchant has given back; a broker that is away is asked the next time."""
    for orders in refund_visits(desk.wallet):
        try:
            async with desk.visit_for(orders[0], anonymous=True) as shopper:
                for order in orders:
                    if await shopper.perform(look(order, desk.wallet.clock)) is not None:
                        report.line(f"{order.title}: its merchant gave the money back")
        except NetworkFailure:
            continue


async def fetch_new_versions(desk: Desk, report: Report) -> int:
    """New versions whose random moment has come; how many failed. Inside `desk.moving`."""
    failed = 0
    for copy, order in due_copies(desk.wallet):
        try:
            async with desk.visit_for(order, anonymous=True) as shopper:
                done = await fetch_due(shopper, copy, order)
        except VeilmartError as error:
            failed += 1
            report.line(f"{order.title}: {error.explain()}")
            continue
        if done is not None:
            report.line(f"{order.title}: version {done.version} is here")
    return failed


async def _refill(desk: Desk, report: Report) -> int:
    """Stocks of tokens whose time it is, if the wallet is unlocked; how many failed."""
    failed = 0
    for stock in due_stocks(desk.wallet) if desk.wallet.seed is not None else ():
        try:
            async with desk.visit(desk.url_of(stock.broker)) as shopper:
                withdrawn = await refill(shopper, stock)
        except VeilmartError as error:
            failed += 1
            report.line(error.explain())
            continue
        if withdrawn is not None:
            report.line(f"Stock refilled: {withdrawn.count} tokens")
    return failed
