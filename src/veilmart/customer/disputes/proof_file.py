"""A merchant's fault as a file that anybody can verify offline.

It is meant for a broker that refuses a dispute against its own rules. The file reveals what this
one order was about: the product's root, the content key, a segment.
"""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.disputes.fault_finder import Complaint
from veilmart.customer.purchase.receipts import ObjectBytes, check_payment
from veilmart.customer.wallet.orders import Order
from veilmart.errors import (
    EvidenceInvalid,
    JudgementInvalid,
    MalformedMessage,
    Misuse,
    PeerFault,
)
from veilmart.limits import SIGNED_DESCRIPTOR_MAX_BYTES
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.dispute_messages import EVIDENCE_MAX_BYTES, Reason
from veilmart.protocol.encoding import Message, Natural, decode, encode
from veilmart.protocol.evidence import Claim, Finding, decide, read_evidence
from veilmart.protocol.offer import order_of

PROOF_MAX_BYTES = EVIDENCE_MAX_BYTES + 64 * 1024


class DisputeProof(Message, frozen=True):
    """evidence: as it was sent. receipt: the broker's, empty where it got lost."""

    reason: Reason
    index: Natural
    evidence: Annotated[bytes, Meta(max_length=EVIDENCE_MAX_BYTES)]
    invoice: ObjectBytes
    receipt: ObjectBytes
    broker_descriptor: Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]


@dataclass(frozen=True)
class Judgement:
    """order: hexadecimal. finding: the fault. paid: whether the broker signed that it was paid."""

    order: str
    merchant: str
    merchant_name: str
    finding: str
    paid: bool


def export_proof(order: Order, complaint: Complaint) -> bytes:
    """The proof file. Raises JudgementInvalid for a fault that only the broker can tell."""
    if complaint.finding is Finding.INVOICE_KEY:
        raise JudgementInvalid("Only the broker knows who signed the invoice.")
    if order.invoice is None:
        raise Misuse("A fault that can be proved has an invoice.")
    return encode(
        DisputeProof(
            reason=complaint.reason,
            index=complaint.index,
            evidence=complaint.evidence,
            invoice=order.invoice,
            receipt=order.receipt or b"",
            broker_descriptor=order.broker_descriptor,
        )
    )


def judge(data: bytes) -> Judgement:
    """Decide by the broker's rules. Raises JudgementInvalid."""
    try:
        proof = decode(DisputeProof, data, PROOF_MAX_BYTES)
        evidence = read_evidence(proof.evidence)
        merchant = read_descriptor(evidence.descriptor)
        order = order_of(evidence.offer)
        claim = Claim(order, proof.reason, proof.index)
        finding = decide(proof.invoice, merchant.fingerprint, claim, evidence)
        if finding is Finding.INVOICE_KEY:
            raise MalformedMessage("The invoice is not signed by the offer's key.")
        paid = bool(proof.receipt)
        if paid:
            broker = read_descriptor(proof.broker_descriptor)
            check_payment(merchant, broker, evidence.offer, proof.invoice, proof.receipt)
    except (PeerFault, EvidenceInvalid) as fault:
        raise JudgementInvalid(fault.detail or fault.summary) from fault
    return Judgement(
        order=order.hex(),
        merchant=format_fingerprint(merchant.fingerprint),
        merchant_name=merchant.descriptor.name,
        finding=finding.value,
        paid=paid,
    )
