"""Orders that were settled, and whose merchant may give the money back afterwards.

A broker can do that until it folds the month in which the order ended (page 12.4): two months and
some days at most. `sync` asks for as long.
"""

from veilmart.customer.purchase.completion_rules import order_status
from veilmart.customer.purchase.recovery_rules import Recovered, bring_refund
from veilmart.customer.wallet.orders import Order, orders_in, save_order
from veilmart.customer.wallet.wallet import Wallet
from veilmart.limits import REFUND_WATCH_SECONDS
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.ports import Clock
from veilmart.protocol.wallet_states import WalletEvent, WalletState


def watched(wallet: Wallet) -> list[Order]:
    """Finished orders whose money may still come back, oldest first."""
    begin = wallet.clock() - REFUND_WATCH_SECONDS
    done = wallet.database.run_now(orders_in, (WalletState.DONE,))
    return [order for order in reversed(done) if order.changed_at >= begin]


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
