"""Signatures of the order key, and operation ids (docs/protocol/05-customer-broker.md, section 5).

From HELD on the order key alone authorises requests about an order; it is a fresh Ed25519 key.
"""

from typing import Literal

from veilmart.crypto import signing
from veilmart.errors import OrderKeyInvalid, SignatureInvalid
from veilmart.protocol import labels
from veilmart.protocol.encoding import labelled_hash, le64

Action = Literal[
    "segment",
    "release",
    "acknowledge",
    "cancel",
    "status",
    "again",
    "spend",
    "refund",
    "recover",
    "recall",
    "evidence",
    "dispute",
]
OPERATION_BYTES = 16


def operation_id(order: bytes, action: str) -> bytes:
    """16 bytes: the same action on the same order always has the same id."""
    return labelled_hash(labels.OPERATION, order, action.encode())[:OPERATION_BYTES]


def _action_bytes(order: bytes, action: Action, index: int) -> bytes:
    return order + le64(index) + action.encode()


def sign_action(seed: bytes, order: bytes, action: Action, index: int = 0) -> bytes:
    """Signature (64) over order (32) ‖ LE64 index ‖ action; index is 0 unless said."""
    return signing.sign(seed, labels.ORDER_ACTION, _action_bytes(order, action, index))


def check_action(
    public: bytes, order: bytes, action: Action, signature: bytes, index: int = 0
) -> None:
    """Raises OrderKeyInvalid."""
    try:
        data = _action_bytes(order, action, index)
        signing.verify(public, labels.ORDER_ACTION, data, signature)
    except SignatureInvalid as fault:
        raise OrderKeyInvalid from fault
