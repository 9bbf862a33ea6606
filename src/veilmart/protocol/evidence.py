"""Is the merchant at fault? Decided from signed evidence alone.

docs/protocol/12-disputes.md, 12.3.

Pure: the broker decides with its own copy of the invoice, and anybody who holds the same bytes can
decide once more, offline. A fault that is found is proved, because only the merchant can have
signed the faulty bytes. Every other case is `EvidenceInvalid`, whose detail names the failed check.
"""

from dataclasses import dataclass
from enum import StrEnum

from veilmart.crypto.padding import is_zeros, parse_prefix
from veilmart.crypto.suite import suite_by_id
from veilmart.errors import (
    ContentKeyInvalid,
    EvidenceInvalid,
    OfferMismatch,
    PaddingInvalid,
    PeerFault,
    PieceMismatch,
    SignatureInvalid,
)
from veilmart.protocol import labels
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.dispute_messages import EVIDENCE_MAX_BYTES, Evidence, Reason
from veilmart.protocol.encoding import decode
from veilmart.protocol.offer import (
    Invoice,
    Offer,
    check_invoice,
    escrow_key_hash,
    open_content_key,
    open_object,
    order_of,
)
from veilmart.protocol.parcel import check_piece_list, check_segment, open_segment, piece_count


class Finding(StrEnum):
    """A fault that the merchant signed."""

    INVOICE_KEY = "the invoice is not signed by the key of the offer's descriptor"
    INVOICE = "the invoice differs from the offer"
    KEY = "the sealed key does not open to the key that the offer promised"
    SEGMENT = "the segment does not open, or is not the piece that was promised"
    PADDING = "the first piece is not the beginning of a product"


@dataclass(frozen=True, slots=True)
class Claim:
    """The customer's claim. order: 32 bytes. index: of the segment, 0 for "key"."""

    order: bytes
    reason: Reason
    index: int


@dataclass(frozen=True, slots=True)
class _Documents:
    """The customer's side of the order, verified."""

    merchant: SignedDescriptor
    offer: Offer
    evidence: Evidence


def read_evidence(data: bytes) -> Evidence:
    """The parts joined, parsed. Raises EvidenceInvalid."""
    try:
        return decode(Evidence, data, EVIDENCE_MAX_BYTES)
    except PeerFault as fault:
        raise EvidenceInvalid("It does not have the form of evidence.") from fault


def decide(signed_invoice: bytes, merchant: bytes, claim: Claim, evidence: Evidence) -> Finding:
    """Steps 2 to 4 of 12.3: the merchant's fault, or EvidenceInvalid.

    signed_invoice: the broker's own copy, which it verified under a key of `merchant` (fingerprint,
    32 bytes) when it took it.
    """
    documents = _read_documents(merchant, claim, evidence)
    invoice_fault = _invoice_fault(signed_invoice, documents, claim.order)
    if isinstance(invoice_fault, Finding):
        return invoice_fault
    if claim.reason == "key":
        raise EvidenceInvalid("The invoice's key is the one that the offer promised.")
    return _segment_fault(documents, claim, invoice_fault)


def _read_documents(merchant: bytes, claim: Claim, evidence: Evidence) -> _Documents:
    """Steps 2 and 3. Raises EvidenceInvalid."""
    try:
        descriptor = read_descriptor(evidence.descriptor)
    except PeerFault as fault:
        raise EvidenceInvalid("The merchant's descriptor does not verify.") from fault
    if descriptor.fingerprint != merchant or descriptor.descriptor.role != "merchant":
        raise EvidenceInvalid("The descriptor is not of the merchant that invoiced the order.")
    if order_of(evidence.offer) != claim.order:
        raise EvidenceInvalid("The offer is not this order's.")
    try:
        key = descriptor.descriptor.signing_key
        offer = open_object(Offer, key, labels.OFFER, evidence.offer)
        suite_by_id(offer.suite)
    except PeerFault as fault:
        raise EvidenceInvalid("The offer does not verify.") from fault
    if offer.descriptor != descriptor.hash:
        raise EvidenceInvalid("The descriptor is not the one that the offer names.")
    if escrow_key_hash(evidence.escrow_key) != offer.escrow_key_hash:
        raise EvidenceInvalid("The escrow key is not the one that the offer names.")
    return _Documents(descriptor, offer, evidence)


def _invoice_fault(signed: bytes, documents: _Documents, order: bytes) -> Finding | bytes:
    """The invoice's fault, or else the content key that it yields."""
    offer, key = documents.offer, documents.merchant.descriptor.signing_key
    try:
        invoice = open_object(Invoice, key, labels.INVOICE, signed)
    except SignatureInvalid:
        return Finding.INVOICE_KEY
    if invoice.order != order:
        # An honest merchant signs an invoice for each order, so that of another proves nothing.
        raise EvidenceInvalid("The invoice is not this order's.")
    try:
        check_invoice(invoice, offer, order)
    except OfferMismatch:
        return Finding.INVOICE
    suite, escrow = suite_by_id(offer.suite), documents.evidence.escrow_key
    try:
        return open_content_key(suite, escrow, offer, order, invoice.sealed_key)
    except ContentKeyInvalid:
        return Finding.KEY


def _segment_fault(documents: _Documents, claim: Claim, content_key: bytes) -> Finding:
    """Raises EvidenceInvalid when the segment is not the merchant's, or is as promised."""
    offer, evidence, index = documents.offer, documents.evidence, claim.index
    key, order = documents.merchant.descriptor.signing_key, claim.order
    try:
        check_piece_list(evidence.pieces, offer.product, offer.size)
    except PieceMismatch as fault:
        raise EvidenceInvalid("The piece list is not the one that the offer names.") from fault
    if index >= piece_count(offer.size):
        raise EvidenceInvalid("The order has no such segment.")
    try:
        sealed = check_segment(key, order, index, offer.size, evidence.segment)
    except PeerFault as fault:
        raise EvidenceInvalid("The merchant did not sign that segment of this order.") from fault
    suite = suite_by_id(offer.suite)
    try:
        piece = open_segment(suite, content_key, order, index, offer.size, evidence.pieces, sealed)
    except PieceMismatch:
        return Finding.SEGMENT
    if index == 0 and not _begins_a_product(piece, offer.size):
        return Finding.PADDING
    raise EvidenceInvalid("The segment is the piece that was promised.")


def _begins_a_product(piece: bytes, size: int) -> bool:
    """Page 8.1, as far as the first piece shows it."""
    try:
        _name, content, start = parse_prefix(piece)
    except PaddingInvalid:
        return False
    return start + content <= size and is_zeros(memoryview(piece)[start + content :])
