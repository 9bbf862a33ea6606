"""A merchant's counters, which say how busy it is.

They reveal nothing about products, prices or customers.
"""

from collections.abc import Mapping

from veilmart.merchant import events
from veilmart.transport.metrics import Metrics

COUNTED: Mapping[type, tuple[str, str]] = {
    events.BrokerAuthenticated: ("links", "Links that a broker proved itself on."),
    events.BrokerRefused: (
        "links_refused",
        "Links refused because the peer was not an accepted broker.",
    ),
    events.CustomerTunnel: ("tunnels", "Customers' tunnels."),
    events.MenuSent: ("catalogues_sent", "Catalogues sent."),
    events.Selected: ("offers", "Offers written."),
    events.PaymentStatus: ("payment_reports", "Orders found paid or lapsed."),
    events.OrderEnded: ("orders_ended", "Orders settled or refunded."),
    events.Faulted: ("faults", "Failures on our side."),
}


def merchant_metrics() -> Metrics:
    """All of a merchant's counters at zero; serving.py adds the gauges."""
    metrics = Metrics("veilmart_merchant")
    for name, help_text in COUNTED.values():
        metrics.counter(name, help_text)
    return metrics


def count(metrics: Metrics, event: object) -> None:
    """Count an event, if it is one that is counted."""
    known = COUNTED.get(type(event))
    if known is not None:
        metrics.add(known[0])
