"""What invoices say for good, kept at hand so that signatures are made and checked beforehand.

A transaction does no cryptography (ADR 22), so it has to be known before one begins which key
speaks for an order and what its receipt says. The transaction compares it with the stored invoice.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

ORDERS_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """order, merchant, order_key: 32 bytes each. amount: minor units. signed: the invoice."""

    order: bytes
    merchant: bytes
    amount: int
    order_key: bytes
    signed: bytes = field(repr=False)


class KnownOrders:
    """The terms of the orders that were asked about last, `ORDERS_MAX` at most."""

    def __init__(self) -> None:
        self._terms: OrderedDict[bytes, OrderTerms] = OrderedDict()

    def add(self, terms: OrderTerms) -> None:
        """In place of what was known of the order."""
        self._terms[terms.order] = terms
        self._terms.move_to_end(terms.order)
        if len(self._terms) > ORDERS_MAX:
            self._terms.popitem(last=False)

    def get(self, order: bytes) -> OrderTerms | None:
        """None for one that has to be read."""
        terms = self._terms.get(order)
        if terms is not None:
            self._terms.move_to_end(order)
        return terms

    def drop(self, order: bytes) -> None:
        """Its invoice is another one by now."""
        self._terms.pop(order, None)
