"""Orders that were settled, and whose merchant may give the money back afterwards.

A broker can do that until it folds the month in which the order ended (page 12.4): two months and
some days at most. `sync` asks for as long.
"""

from itertools import groupby

from veilmart.customer.purchase.completion_rules import order_status
from veilmart.customer.purchase.recovery_rules import Recovered, bring_refund
from veilmart.customer.wallet.orders import Order, orders_in, save_order
from veilmart.customer.wallet.wallet import Wallet
from veilmart.limits import REFUND_WATCH_SECONDS
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.ports import Clock
from veilmart.protocol.purchase import InvoiceState, WalletEvent, WalletState


def watched(wallet: Wallet) -> list[Order]:
    """Finished orders whose money may still come back, oldest first."""
    begin = wallet.clock() - REFUND_WATCH_SECONDS
    done = wallet.database.run_now(orders_in, (WalletState.DONE,))
    return [order for order in reversed(done) if order.changed_at >= begin]


def refund_visits(wallet: Wallet) -> list[list[Order]]:
    """Which orders are asked about together: those of an account, by broker; of those that tokens

    paid one alone, drawn by lot, or asking would tell that they belong together.
    """
    settled = sorted(watched(wallet), key=lambda order: order.broker)
    of_account = [order for order in settled if order.spend is None]
    by_token = [order for order in settled if order.spend is not None]
    visits = [list(orders) for _, orders in groupby(of_account, key=lambda order: order.broker)]
    if by_token:
        visits.append([by_token[int.from_bytes(wallet.random(8), "big") % len(by_token)]])
    return visits


def look(order: Order, clock: Clock) -> Rule[Recovered | None]:
    """Ask the broker; note a refund down. None when there is none. The file stays.

    Where a token paid, it brings the refund token; if that fails, the next sync does.
    """
    status = yield from order_status(order)
    if status.state != InvoiceState.REFUNDED:
        return None
    refunded = order.after(WalletEvent.REFUND_SEEN, clock())
    yield from transact(save_order, refunded)
    yield from bring_refund(refunded, clock)
    return Recovered(refunded, "returned")
