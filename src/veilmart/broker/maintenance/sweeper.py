"""Periodic work: deadlines, and deleting what is no longer needed.

Transactions only; `RunningBroker` (server/running.py) runs them every few seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from veilmart.broker.accounts import administration, customers, guess_limit
from veilmart.broker.disputes import evidence, records
from veilmart.broker.escrow.invoices import (
    DUE_AT_ONCE,
    DUE_EVENTS,
    advance,
    due_invoices,
    forget_expired,
)
from veilmart.broker.events import Event, OrderRefunded, OrderSettled, PaymentLapsed, TaskFailed
from veilmart.broker.keys import descriptors
from veilmart.broker.ledger import stored_answers
from veilmart.broker.operator import merchant_requests
from veilmart.errors import VeilmartError
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.ports import Clock

_TOLD = {
    InvoiceState.EXPIRED: PaymentLapsed,
    InvoiceState.REFUNDED: OrderRefunded,
    InvoiceState.SETTLED: OrderSettled,
}


Place: TypeAlias = tuple[int, bytes]
"""(due, order) of the last invoice that was looked at; they are swept in that order."""
FIRST: Final[Place] = (-1, b"")


@dataclass(frozen=True, slots=True)
class Swept:
    """merchants: whose orders were settled or refunded. after: where further ones may stand."""

    events: list[Event]
    merchants: set[bytes]
    after: Place | None


def sweep_invoices(conn: Connection, clock: Clock, after: Place = FIRST) -> Swept:
    """Unpaid ones expire, HELD ones past their deadline are refunded, RELEASED ones settled.

    An invoice that cannot be advanced is reported and left unchanged; the others still advance.
    """
    now = clock()
    events: list[Event] = []
    merchants: set[bytes] = set()
    due = due_invoices(conn, now, after)
    for row in due:
        try:
            with conn.begin_nested():
                reached = advance(conn, row, DUE_EVENTS[row.state], row.time(now))
        except Exception as fault:
            if isinstance(fault, DBAPIError) and not isinstance(fault, IntegrityError):
                raise  # the database's own trouble: the whole transaction is run again or fails
            code = f"error {fault.code}" if isinstance(fault, VeilmartError) else ""
            where = f"Deadline of order {row.order.hex()[:16]}"
            events.append(TaskFailed(where, code or type(fault).__name__))
            continue
        events.append(_TOLD[reached](row.order))
        if reached is not InvoiceState.EXPIRED:
            merchants.add(row.merchant)
    more = (due[-1].due, due[-1].order) if len(due) == DUE_AT_ONCE else None
    return Swept(events, merchants, more)


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
