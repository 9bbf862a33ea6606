"""Evidence, disputes and the merchant's refund (docs/protocol/12-disputes.md)."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from veilmart.limits import (
    EVIDENCE_PART_BYTES,
    EVIDENCE_PARTS_MAX,
    HASH_BYTES,
    PIECES_MAX,
    SIGNED_DESCRIPTOR_MAX_BYTES,
)
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.encoding import Bytes16, Bytes32, Bytes64, Message, Natural
from veilmart.protocol.parcel import SEGMENT_MAX_BYTES
from veilmart.protocol.signed_requests import WITHDRAWAL_MAX_BYTES

EVIDENCE_MAX_BYTES = EVIDENCE_PARTS_MAX * EVIDENCE_PART_BYTES

Reason = Literal["key", "segment"]


class SendEvidence(BrokerRequest, tag="evidence", frozen=True):
    """One part of an `Evidence`; signed by the order key with the part's number as index."""

    cells: ClassVar[int] = 50
    order: Bytes32
    part: Annotated[int, Meta(ge=0, le=EVIDENCE_PARTS_MAX - 1)]
    data: Annotated[bytes, Meta(min_length=1, max_length=EVIDENCE_PART_BYTES)]
    signature: Bytes64


class Dispute(BrokerRequest, tag="dispute", frozen=True):
    """Decide on the evidence sent. hash: SHA-256 of all parts joined. index: of the segment."""

    operation: Bytes16
    order: Bytes32
    reason: Reason
    index: Natural
    parts: Annotated[int, Meta(ge=1, le=EVIDENCE_PARTS_MAX)]
    hash: Bytes32
    signature: Bytes64


class Evidence(Message, frozen=True):
    """offer, segment: as signed by the merchant. descriptor: the one that the offer names."""

    offer: Annotated[bytes, Meta(max_length=1024)]
    descriptor: Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]
    escrow_key: Bytes32
    segment: Annotated[bytes, Meta(max_length=SEGMENT_MAX_BYTES)]
    pieces: Annotated[bytes, Meta(max_length=PIECES_MAX * HASH_BYTES)]


class RefundOrder(BrokerRequest, tag="refund_order", frozen=True):
    """signed: a `RefundRequest` under the merchant's identity."""

    cells: ClassVar[int] = 2
    moves_money: ClassVar[bool] = True
    signed: Annotated[bytes, Meta(max_length=WITHDRAWAL_MAX_BYTES)]


class RefundRequest(Message, frozen=True):
    """The merchant gives this order's money back. at: Unix seconds."""

    broker: Bytes32
    merchant: Bytes32
    order: Bytes32
    at: Natural
