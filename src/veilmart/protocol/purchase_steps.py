"""The named steps of a purchase (docs/protocol/09-purchase.md, 9.2)."""

from typing import Final

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
