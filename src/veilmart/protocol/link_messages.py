"""Broker → merchant requests on their link and the answers (docs/protocol/06)."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from veilmart.limits import HANDSHAKE_MAX_BYTES, REQUEST_MAX_BYTES, SIGNED_DESCRIPTOR_MAX_BYTES
from veilmart.protocol.encoding import Bytes16, Bytes32, Message, Natural

REPORTS_MAX = 256


class MerchantRequest(Message, tag_field="kind", frozen=True):
    """A broker's request to a merchant inside their link's session."""

    cells: ClassVar[int] = 1
    answer_cells: ClassVar[int] = 1


class LinkProof(MerchantRequest, tag="proof", frozen=True):
    """Message 3 of the link's handshake. descriptor: the broker's newest, signed."""

    cells: ClassVar[int] = 16
    signature: Annotated[bytes, Meta(min_length=384, max_length=384)]
    descriptor: Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]


class LinkReady(Message, tag="ready", tag_field="kind", frozen=True):
    """serial: of the merchant's newest descriptor. heard: sequence of the last report entry."""

    serial: Natural
    heard: Natural


class FetchDescriptor(MerchantRequest, tag="descriptor", frozen=True):
    """serial: which one, or 0 for the newest."""

    answer_cells: ClassVar[int] = 16
    serial: Natural


class LinkDescriptor(Message, tag="descriptor", tag_field="kind", frozen=True):
    signed: Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]


class TunnelOpen(MerchantRequest, tag="open", frozen=True):
    """A customer's message 1, named by a request number only."""

    cells: ClassVar[int] = 3
    answer_cells: ClassVar[int] = 3
    request_number: Bytes16
    suite: Natural
    descriptor: Bytes32
    message: Annotated[bytes, Meta(max_length=HANDSHAKE_MAX_BYTES)]


class TunnelOpened(Message, tag="opened", tag_field="kind", frozen=True):
    """serial: of the merchant's newest descriptor, so that the broker notices a new one."""

    message: Annotated[bytes, Meta(max_length=HANDSHAKE_MAX_BYTES)]
    serial: Natural


class TunnelRelay(MerchantRequest, tag="relay", frozen=True):
    cells: ClassVar[int] = 2
    answer_cells: ClassVar[int] = 2
    request_number: Bytes16
    record: Annotated[bytes, Meta(max_length=REQUEST_MAX_BYTES)]


class TunnelRelayed(Message, tag="relayed", tag_field="kind", frozen=True):
    """record: sealed for the customer. invoice: signed `Invoice` for the broker, or empty."""

    record: bytes
    invoice: Annotated[bytes, Meta(max_length=1024)]


class FetchSegment(MerchantRequest, tag="segment", frozen=True):
    """The broker asks only for orders whose payment it holds; held_at: Unix seconds."""

    order: Bytes32
    index: Natural
    held_at: Natural


class SegmentFollows(Message, tag="segment", tag_field="kind", frozen=True):
    """The answer's record is followed by `length` bytes: the signed segment."""

    length: Natural


class ReportEntry(Message, frozen=True):
    """An order's outcome. sequence: grows by one per entry and merchant.

    refunded: before the key was out. returned: afterwards, on evidence or by the merchant's refund.
    fee: the broker's share of the amount, minor units; 0 unless settled.
    """

    sequence: Natural
    order: Bytes32
    event: Literal["settled", "refunded", "returned"]
    at: Natural
    fee: Natural


class Report(MerchantRequest, tag="report", frozen=True):
    """balance: the merchant's account at the broker, minor units, after the last entry."""

    cells: ClassVar[int] = 28
    entries: Annotated[list[ReportEntry], Meta(max_length=REPORTS_MAX)]
    balance: Natural


class Reported(Message, tag="reported", tag_field="kind", frozen=True):
    pass


LinkRequest = LinkProof | FetchDescriptor | TunnelOpen | TunnelRelay | FetchSegment | Report
