"""What a merchant signs for one order, honestly or not, with real keys and real ciphers."""

import hashlib
import os
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from tests.support.scripted_broker import PRICE, SHELF, ScriptedMerchant
from veilmart.crypto import signing
from veilmart.crypto.padding import pack_product
from veilmart.crypto.suite import Suite, all_suites
from veilmart.limits import EVIDENCE_PART_BYTES, PIECE_BYTES
from veilmart.protocol import labels, offer as offers, parcel
from veilmart.protocol.dispute_messages import Dispute, Evidence, Reason, SendEvidence
from veilmart.protocol.encoding import encode
from veilmart.protocol.order_key import operation_id, sign_action

SIZE = 4096
TWO_PIECES = PIECE_BYTES + 2048


def product(size: int = SIZE, content: bytes = b"the promised book") -> bytes:
    """A padded product with 32 random bytes."""
    packed = pack_product(os.urandom(32), "book.txt", len(content)) + content
    return packed.ljust(size, b"\0")


def cut(packed: bytes) -> list[bytes]:
    return [packed[at : at + PIECE_BYTES] for at in range(0, len(packed), PIECE_BYTES)]


def piece_list(packed: bytes) -> bytes:
    return b"".join(parcel.piece_hash(piece) for piece in cut(packed))


def resigned(
    seed: bytes, order: bytes, index: int, count: int, segment: bytes, *, at: int = 200
) -> bytes:
    """A segment with one bit of byte `at` changed, and signed all the same."""
    changed = bytearray(segment)
    changed[at] ^= 1
    sealed = bytes(changed[parcel.SIGNATURE_BYTES :])
    ad = order + index.to_bytes(8, "little") + count.to_bytes(8, "little")
    return signing.sign(seed, labels.SEGMENT, ad + parcel.piece_hash(sealed)) + sealed


@dataclass
class Cheats:
    """Everything the merchant signs passes through one of these. None: as it should be."""

    invoice: dict[str, Any] = field(default_factory=dict)
    invoice_seed: bytes | None = None
    sealed_key: bytes | None = None
    sealed_content_key: bytes | None = None


@dataclass
class Papers:
    """One order: what the customer holds, what the broker holds, what the merchant knows."""

    merchant: ScriptedMerchant
    suite: Suite
    order_seed: bytes
    packed: bytes
    content_key: bytes
    escrow_key: bytes
    offer: offers.Offer
    signed_offer: bytes
    order: bytes
    invoice: bytes

    @property
    def pieces(self) -> bytes:
        return piece_list(self.packed)

    def segment(self, index: int = 0, **other: Any) -> bytes:
        """Signed by the merchant; `other` changes what goes into it."""
        fields: dict[str, Any] = {
            "suite": self.suite,
            "content_key": self.content_key,
            "signing_seed": self.merchant.seed,
            "order": self.order,
            "index": index,
            "count": parcel.piece_count(self.offer.size),
            "piece": cut(self.packed)[index],
        } | other
        return parcel.seal_segment(**fields)

    def damaged_segment(self, index: int = 0, at: int = 200) -> bytes:
        """Signed by the merchant, and it does not open."""
        count = parcel.piece_count(self.offer.size)
        return resigned(self.merchant.seed, self.order, index, count, self.segment(index), at=at)

    def evidence(self, segment: bytes = b"", **other: Any) -> Evidence:
        honest = Evidence(
            offer=self.signed_offer,
            descriptor=self.merchant.signed,
            escrow_key=self.escrow_key,
            segment=segment,
            pieces=self.pieces if segment else b"",
        )
        return replace(honest, **other)

    def parts(self, evidence: Evidence) -> list[SendEvidence]:
        data = encode(evidence)
        cuts = range(0, len(data), EVIDENCE_PART_BYTES)
        return [
            SendEvidence(
                order=self.order,
                part=number,
                data=data[at : at + EVIDENCE_PART_BYTES],
                signature=sign_action(self.order_seed, self.order, "evidence", number),
            )
            for number, at in enumerate(cuts)
        ]

    def dispute(self, evidence: Evidence, reason: Reason, index: int = 0) -> Dispute:
        data = encode(evidence)
        return Dispute(
            operation=operation_id(self.order, "dispute"),
            order=self.order,
            reason=reason,
            index=index,
            parts=-(-len(data) // EVIDENCE_PART_BYTES),
            hash=hashlib.sha256(data).digest(),
            signature=sign_action(self.order_seed, self.order, "dispute", index),
        )


def make_papers(
    merchant: ScriptedMerchant,
    now: int,
    *,
    suite: Suite | None = None,
    packed: bytes | None = None,
    cheats: Cheats | None = None,
    order_seed: bytes | None = None,
    offer_changes: dict[str, Any] | None = None,
) -> Papers:
    """An order as the merchant's rules would write it, but for what `cheats` changes."""
    suite, cheats = suite or all_suites()[0], cheats or Cheats()
    packed = product() if packed is None else packed
    order_seed = order_seed or os.urandom(32)
    content_key, escrow = os.urandom(32), os.urandom(32)
    fields: dict[str, Any] = {
        "merchant": merchant.fingerprint,
        "broker": merchant.broker,
        "descriptor": merchant.descriptor.hash,
        "random": os.urandom(32),
        "suite": suite.id,
        "shelf": SHELF.id,
        "price": PRICE,
        "size": len(packed),
        "product": parcel.piece_list_root(piece_list(packed)),
        "content_key_hash": offers.content_key_hash(content_key),
        "escrow_key_hash": offers.escrow_key_hash(escrow),
        "order_key": signing.public_key(order_seed),
        "pay_by": now + SHELF.pay_within,
        "deliver_within": SHELF.deliver_within,
        "settle_within": SHELF.settle_within,
    } | (offer_changes or {})
    offer = offers.Offer(**fields)
    signed_offer = offers.sign_object(merchant.seed, labels.OFFER, offer)
    order = offers.order_of(signed_offer)
    sealed = cheats.sealed_content_key or content_key
    w = cheats.sealed_key or offers.seal_content_key(suite, escrow, sealed, order)
    invoice: dict[str, Any] = {
        "merchant": offer.merchant,
        "broker": offer.broker,
        "order": order,
        "suite": offer.suite,
        "amount": offer.price,
        "order_key": offer.order_key,
        "sealed_key": w,
        "pay_by": offer.pay_by,
        "deliver_within": offer.deliver_within,
        "settle_within": offer.settle_within,
    } | cheats.invoice
    signed_invoice = offers.sign_object(
        cheats.invoice_seed or merchant.seed, labels.INVOICE, offers.Invoice(**invoice)
    )
    return Papers(
        merchant,
        suite,
        order_seed,
        packed,
        content_key,
        escrow,
        offer,
        signed_offer,
        order,
        signed_invoice,
    )
