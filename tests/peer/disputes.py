"""Page 12: evidence, and the dispute on it."""

from __future__ import annotations

import hashlib

from .client import BrokerSession, Kind, Tunnel
from .notation import encode
from .purchase import Agreed, Status, operation, sign_action

PART_BYTES = 49_152


class Noted(Kind):
    """5.8."""


def evidence(tunnel: Tunnel, agreed: Agreed, segment: bytes = b"") -> bytes:
    """12.2. segment: as the merchant signed it, empty for the reason "key"."""
    return encode(
        {
            "offer": agreed.signed,
            "descriptor": tunnel.merchant.signed,
            "escrow_key": agreed.escrow_key,
            "segment": segment,
            "pieces": b"".join(agreed.pieces) if segment else b"",
        }
    )


def dispute(session: BrokerSession, agreed: Agreed, reason: str, index: int, shown: bytes) -> str:
    """Send the evidence in parts, have it decided; the state afterwards. Raises Refused."""
    parts = [shown[at : at + PART_BYTES] for at in range(0, len(shown), PART_BYTES)]
    for number, data in enumerate(parts):
        part = {
            "kind": "evidence",
            "order": agreed.order,
            "part": number,
            "data": data,
            "signature": sign_action(agreed.order_key, agreed.order, "evidence", number),
        }
        session.ask(part, 50, Noted, 1)
    message = {
        "kind": "dispute",
        "operation": operation(agreed.order, "dispute"),
        "order": agreed.order,
        "reason": reason,
        "index": index,
        "parts": len(parts),
        "hash": hashlib.sha256(shown).digest(),
        "signature": sign_action(agreed.order_key, agreed.order, "dispute", index),
    }
    return session.ask(message, 1, Status, 1).state
