"""A purchase: its three state machines, each in a file of its own, and its named steps.

docs/protocol/09-purchase.md, sections 2 and 3.
"""

from typing import Final

from veilmart.protocol.invoice_states import (
    INVOICE,
    InvoiceEffect,
    InvoiceEvent,
    InvoiceState,
)
from veilmart.protocol.order_states import (
    ORDER,
    OrderEvent,
    OrderState,
)
from veilmart.protocol.state_table import step
from veilmart.protocol.wallet_states import (
    WALLET,
    WalletEvent,
    WalletState,
)

__all__ = [
    "INVOICE",
    "ORDER",
    "PURCHASE_STEPS",
    "WALLET",
    "InvoiceEffect",
    "InvoiceEvent",
    "InvoiceState",
    "OrderEvent",
    "OrderState",
    "WalletEvent",
    "WalletState",
    "step",
]

PURCHASE_STEPS: Final = (
    "session",
    "login",
    "descriptor",
    "tunnel",
    "catalogue",
    "select",
    "pay",
    "segment",
    "release",
    "acknowledge",
    "report",
)
"""The named steps of a purchase, in order; tests kill and cut at each."""
