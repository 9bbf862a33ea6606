"""What is due, as `customer sync` does it: one identity in a run, unless a person asks for all."""

from veilmart.customer.library.errands import Errand, all_errands, draw, served
from veilmart.customer.library.exchange_rules import exchange
from veilmart.customer.library.updates import fetch_due
from veilmart.customer.purchase.recovery_rules import Recovered, find_late_refund
from veilmart.customer.tokens.stock import refill
from veilmart.customer.tokens.stocks import Stock
from veilmart.customer.wallet.copies import Copy
from veilmart.customer.wallet.orders import Order
from veilmart.customer.wallet.tokens import StoredToken
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


async def sync(desk: Desk, report: Report, *, everything: bool = False) -> None:
    """A job: the work of one identity whose time has come, or of all where a person asks for it.

    One failure stops nothing else. Raises HomeInUse.
    """
    async with desk.moving(report):
        # Without the words nothing is withdrawn; what is due waits for the page to be unlocked.
        found = [e for e in all_errands(desk.wallet) if desk.wallet.seed or not e.stocks]
        one = None if everything else draw(desk.wallet, found)
        chosen = found if everything else [one] if one else []
        if everything and len(found) > 1:
            report.line("All at once: anybody who sees the connections can link them.")
        failed = 0
        for errand in chosen:
            failed += await _serve(desk, report, errand)
    report.step(f"{failed} could not be finished yet." if failed else "Nothing is unfinished.")
    report.leads_to("/orders", "Orders")


async def _serve(desk: Desk, report: Report, errand: Errand) -> int:
    """One identity's work; how many of its tasks failed."""
    try:
        if errand.token is not None:
            return await _exchange(desk, report, errand.broker, errand.token)
        if errand.copy is not None:
            return await _fetch(desk, report, errand.copy, errand.orders[0])
        if errand.stocks:
            return await _refill(desk, report, errand.stocks)
        failed = await _recover_all(desk, report, errand)
        await _late_refunds(desk, report, errand)
        return failed
    finally:
        served(desk.wallet, errand)


async def _exchange(desk: Desk, report: Report, broker: bytes, token: StoredToken) -> int:
    """A token that ends soon for a fresh one; 0, or 1 where it failed."""
    wallet = desk.wallet
    try:
        async with desk.visit(desk.url_of(broker), anonymous=True) as shopper:
            await shopper.perform(exchange(token, wallet.clock, wallet.random))
    except VeilmartError as error:
        report.line(f"A token: {error.explain()}")
        return 1
    report.line("A token that ends soon was exchanged for a fresh one")
    return 0


async def _recover_all(desk: Desk, report: Report, errand: Errand) -> int:
    """Orders that were cut off; how many still are."""
    failed = 0
    for order in errand.orders:
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


async def _late_refunds(desk: Desk, report: Report, errand: Errand) -> None:
    """What a merchant has given back; a broker that is away is asked the next time."""
    if not errand.settled:
        return
    try:
        anonymous = errand.kind != "account"
        async with desk.visit_for(errand.settled[0], anonymous=anonymous) as shopper:
            for order in errand.settled:
                if await shopper.perform(find_late_refund(order, desk.wallet.clock)) is not None:
                    report.line(f"{order.title}: its merchant gave the money back")
    except NetworkFailure:
        return


async def _fetch(desk: Desk, report: Report, copy: Copy, order: Order) -> int:
    """0, or 1 where it failed."""
    try:
        async with desk.visit_for(order, anonymous=True) as shopper:
            done = await fetch_due(shopper, copy, order)
    except VeilmartError as error:
        report.line(f"{order.title}: {error.explain()}")
        return 1
    if done is not None:
        report.line(f"{order.title}: version {done.version} is here")
    return 0


async def _refill(desk: Desk, report: Report, stocks: tuple[Stock, ...]) -> int:
    """Tokens for these stocks, whose time it is; how many failed."""
    failed = 0
    for stock in stocks:
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
