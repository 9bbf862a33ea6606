"""A broker's counters. They say only how busy it is: no names, amounts or merchants."""

from collections.abc import Mapping

from veilmart.broker import events
from veilmart.transport.metrics import Metrics

COUNTED: Mapping[type[events.Event], tuple[str, str]] = {
    events.CustomerSession: ("sessions", "Sessions made by customers."),
    events.CustomerAuthenticated: ("logins", "Logins and registrations."),
    events.CustomerRefused: ("logins_refused", "Logins with a wrong name, password or key."),
    events.TunnelCarried: ("tunnels", "Tunnels carried to merchants."),
    events.RequestForwarded: ("requests_forwarded", "Sealed requests carried."),
    events.AwaitingPayment: ("invoices", "Invoices stored."),
    events.PaymentHeld: ("payments_held", "Payments taken into escrow."),
    events.PaymentLapsed: ("payments_lapsed", "Invoices that nobody paid in time."),
    events.KeyReleased: ("keys_released", "Keys given out."),
    events.OrderSettled: ("orders_settled", "Orders paid out to merchants."),
    events.OrderRefunded: ("orders_refunded", "Orders paid back."),
    events.OrderReturned: ("orders_returned", "Orders that merchants paid back."),
    events.DisputeWon: ("disputes_won", "Disputes decided against a merchant."),
    events.DisputeRefused: ("disputes_refused", "Disputes whose evidence showed no fault."),
    events.VoucherRedeemed: ("vouchers_redeemed", "Vouchers put on accounts."),
    events.TokensIssued: ("token_withdrawals", "Withdrawals of tokens."),
    events.TokenDeposited: ("tokens_deposited", "Tokens put back on accounts."),
    events.TokenSpent: ("tokens_spent", "Tokens taken for orders."),
    events.MerchantAuthenticated: ("links", "Links made to merchants."),
    events.MerchantLost: ("links_lost", "Merchants found unreachable."),
    events.TaskFailed: ("troubles", "Background tasks that failed and were tried again."),
}


def broker_metrics() -> Metrics:
    """All of a broker's counters at zero; serving.py adds the gauges."""
    metrics = Metrics("veilmart_broker")
    for name, help_text in COUNTED.values():
        metrics.counter(name, help_text)
    return metrics


def count(metrics: Metrics, event: events.Event) -> None:
    """Count an event, if it is one that is counted."""
    known = COUNTED.get(type(event))
    if known is not None:
        metrics.add(known[0])
