"""Finding the fault in a delivery by the rules by which the broker decides a dispute.

Everything needed is on this machine: the merchant's signed documents, the keys, the sealed
segments. The broker must find the same fault, and anybody can verify it offline.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from veilmart.customer.wallet.orders import Order, Terms
from veilmart.customer.wallet.parcels import Parcels
from veilmart.errors import EvidenceInvalid, Misuse, NothingToDispute
from veilmart.limits import EVIDENCE_PART_BYTES
from veilmart.protocol.dispute_messages import Evidence, Reason
from veilmart.protocol.encoding import encode
from veilmart.protocol.evidence import Claim, Finding, decide

SegmentAt = Callable[[int], bytes | None]
"""The stored signed segment with that number, None where there is none."""


@dataclass(frozen=True)
class Complaint:
    """evidence: what the broker will see, encoded. index: of the segment, 0 for "key".

    finding: the merchant's fault; only INVOICE_KEY may be the broker's instead, which knows
    whether it was the merchant that signed.
    """

    reason: Reason
    index: int
    finding: Finding
    evidence: bytes = field(repr=False)

    def parts(self) -> list[bytes]:
        """The evidence cut as it is sent."""
        cuts = range(0, len(self.evidence), EVIDENCE_PART_BYTES)
        return [self.evidence[at : at + EVIDENCE_PART_BYTES] for at in cuts]


def look_for_fault(parcels: Parcels, order: Order, terms: Terms, small: bytes | None) -> Complaint:
    """The fault of a RELEASED order. Blocks. Raises NothingToDispute, CannotWrite.

    small: a small parcel's only segment, verified; None to read them from `parcels`.
    """

    def segment_at(index: int) -> bytes | None:
        return parcels.read(order.order, index, terms.offer.size) if small is None else small

    return find_fault(order, terms, segment_at)


def find_fault(order: Order, terms: Terms, segment_at: SegmentAt) -> Complaint:
    """The first fault. Blocks; a large parcel takes as long as opening it.

    Raises NothingToDispute, and Misuse for an order whose key has not come.
    """
    complaint = key_fault(order)
    if complaint is not None:
        return complaint
    for index in range(terms.count):
        segment = segment_at(index)
        if segment is None:
            raise Misuse("A fault is looked for when every segment is there.")
        complaint = _complaint(order, "segment", index, _evidence(order, segment))
        if complaint is not None:
            return complaint
    raise NothingToDispute


def key_fault(order: Order) -> Complaint | None:
    """Whether the invoice and the key in it are not what the offer promised."""
    return _complaint(order, "key", 0, _evidence(order, b""))


def unsigned_key(order: Order) -> Complaint:
    """The broker's invoice is not signed with the offer's key; the broker knows who signed it."""
    evidence = encode(_evidence(order, b""))
    return Complaint("key", 0, Finding.INVOICE_KEY, evidence)


def _complaint(order: Order, reason: Reason, index: int, evidence: Evidence) -> Complaint | None:
    if order.invoice is None:
        raise Misuse("A fault is looked for when the invoice has come.")
    try:
        claim = Claim(order.order, reason, index)
        finding = decide(order.invoice, order.merchant, claim, evidence)
    except EvidenceInvalid:
        return None
    return Complaint(reason, index, finding, encode(evidence))


def _evidence(order: Order, segment: bytes) -> Evidence:
    return Evidence(
        offer=order.offer,
        descriptor=order.merchant_descriptor,
        escrow_key=order.escrow_key,
        segment=segment,
        pieces=order.pieces if segment else b"",
    )
