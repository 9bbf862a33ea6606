"""What happens by itself: deadlines, and the end of things that are no longer needed.

Transactions only; `RunningBroker` (server/running.py) runs them every few seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from veilmart.broker.accounts import administration, customers, guess_limit
from veilmart.broker.disputes import evidence, records
from veilmart.broker.escrow.invoices import (
    DUE_AT_ONCE,
    DUE_EVENTS,
    advance,
    due_invoices,
    forget_expired,
)
from veilmart.broker.events import Event, OrderRefunded, OrderSettled, PaymentLapsed
from veilmart.broker.keys import descriptors
from veilmart.broker.ledger import stored_answers
from veilmart.broker.operator import merchant_requests
from veilmart.protocol.ports import Clock
from veilmart.protocol.purchase import InvoiceState

_TOLD = {
    InvoiceState.EXPIRED: PaymentLapsed,
    InvoiceState.REFUNDED: OrderRefunded,
    InvoiceState.SETTLED: OrderSettled,
}


@dataclass(frozen=True, slots=True)
class Swept:
    """merchants: whose orders were settled or refunded. more: there may be further ones."""

    events: list[Event]
    merchants: set[bytes]
    more: bool


def sweep_invoices(conn: Connection, clock: Clock) -> Swept:
    """Unpaid ones expire, HELD ones past their deadline are refunded, RELEASED ones settled."""
    now = clock()
    events: list[Event] = []
    merchants: set[bytes] = set()
    due = due_invoices(conn, now)
    for row in due:
        reached = advance(conn, row, DUE_EVENTS[row.state], row.time(now))
        events.append(_TOLD[reached](row.order))
        if reached is not InvoiceState.EXPIRED:
            merchants.add(row.merchant)
    return Swept(events, merchants, more=len(due) == DUE_AT_ONCE)


FORGETTING: Mapping[str, Callable[[Connection, int], None]] = {
    "unpaid_orders": forget_expired,
    "stored_answers": stored_answers.prune,
    "guesses": guess_limit.forget_old,
    "devices": customers.end_idle_devices,
    "private_keys": descriptors.erase_ended,
    "merchant_requests": merchant_requests.forget_old,
    "ended_logins": administration.forget_ended,
    "evidence": evidence.forget_old,
    "refused_disputes": records.forget_refused,
}
"""Duty → what it forgets or erases, given the time: each is a transaction and a duty of its own."""
