"""Receipts prove a purchase to anybody, offline (09-purchase.md, step 8).

A receipt file is one MessagePack map: the merchant's offer and invoice, the broker's payment
receipt, and the two descriptors that certify the keys they are signed with.
"""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.purchase.purchase_rules import check_receipt
from veilmart.customer.wallet.orders import Order
from veilmart.errors import OfferMismatch, PeerFault, ReceiptInvalid, WrongOrderState
from veilmart.limits import CLOCK_SKEW_SECONDS, SIGNED_DESCRIPTOR_MAX_BYTES
from veilmart.protocol import labels, offer as offers
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.encoding import Message, decode, encode
from veilmart.protocol.offer import Invoice, Offer, PaymentReceipt

RECEIPT_MAX_BYTES = 64 * 1024

ObjectBytes = Annotated[bytes, Meta(max_length=offers.SIGNED_MAX_BYTES)]
DescriptorBytes = Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]


class ReceiptFile(Message, frozen=True):
    """The signed bytes; nothing in it is secret, nothing names the customer."""

    offer: ObjectBytes
    invoice: ObjectBytes
    receipt: ObjectBytes
    merchant_descriptor: DescriptorBytes
    broker_descriptor: DescriptorBytes


@dataclass(frozen=True)
class VerifiedReceipt:
    """Fingerprints as people write them; times in Unix seconds; order and root in hexadecimal."""

    order: str
    merchant: str
    merchant_name: str
    broker: str
    broker_name: str
    amount: str
    currency: str
    held_at: int
    product_root: str


def export_receipt(order: Order) -> bytes:
    """The receipt file of a purchase. Raises WrongOrderState before it was paid and released."""
    if order.receipt is None or order.invoice is None:
        raise WrongOrderState(f"There is no receipt yet; it is {order.state}.", money="")
    return encode(
        ReceiptFile(
            offer=order.offer,
            invoice=order.invoice,
            receipt=order.receipt,
            merchant_descriptor=order.merchant_descriptor,
            broker_descriptor=order.broker_descriptor,
        )
    )


def verify_receipt(data: bytes) -> VerifiedReceipt:
    """Check every signature and that all objects are of the same purchase. Raises ReceiptInvalid.

    Who merchant and broker are is shown, not judged: compare the fingerprints.
    """
    try:
        file = decode(ReceiptFile, data, RECEIPT_MAX_BYTES)
        merchant = read_descriptor(file.merchant_descriptor)
        broker = read_descriptor(file.broker_descriptor)
        merchant_key = merchant.descriptor.signing_key
        offer = offers.open_object(Offer, merchant_key, labels.OFFER, file.offer)
        invoice = offers.open_object(Invoice, merchant_key, labels.INVOICE, file.invoice)
        receipt = offers.open_object(
            PaymentReceipt, broker.descriptor.signing_key, labels.PAYMENT_RECEIPT, file.receipt
        )
        order = offers.order_of(file.offer)
        offers.check_invoice(invoice, offer, order)
        check_receipt(receipt, offer, order)
        _check_descriptors(offer, merchant, broker, receipt)
        if receipt.invoice != offers.invoice_hash(file.invoice):
            raise OfferMismatch("The receipt's invoice differs.")
    except PeerFault as fault:
        raise ReceiptInvalid(fault.detail or fault.summary) from fault
    return VerifiedReceipt(
        order=order.hex(),
        merchant=format_fingerprint(merchant.fingerprint),
        merchant_name=merchant.descriptor.name,
        broker=format_fingerprint(broker.fingerprint),
        broker_name=broker.descriptor.name,
        amount=format_amount(receipt.amount, broker.descriptor.decimals),
        currency=broker.descriptor.currency,
        held_at=receipt.held_at,
        product_root=offer.product.hex(),
    )


def check_payment(
    merchant: SignedDescriptor,
    broker: SignedDescriptor,
    signed_offer: bytes,
    signed_invoice: bytes,
    signed_receipt: bytes,
) -> None:
    """The broker signed that this invoice of this offer was paid, whatever the invoice is worth.

    Raises SignatureInvalid, MalformedMessage, OfferMismatch.
    """
    key = merchant.descriptor.signing_key
    offer = offers.open_object(Offer, key, labels.OFFER, signed_offer)
    receipt = offers.open_object(
        PaymentReceipt, broker.descriptor.signing_key, labels.PAYMENT_RECEIPT, signed_receipt
    )
    check_receipt(receipt, offer, offers.order_of(signed_offer))
    _check_descriptors(offer, merchant, broker, receipt)
    if receipt.invoice != offers.invoice_hash(signed_invoice):
        raise OfferMismatch("The receipt's invoice differs.")


def _check_descriptors(
    offer: Offer, merchant: SignedDescriptor, broker: SignedDescriptor, receipt: PaymentReceipt
) -> None:
    """Raises OfferMismatch for a descriptor that offer or receipt do not name or that had ended."""
    if merchant.descriptor.role != "merchant" or broker.descriptor.role != "broker":
        raise OfferMismatch("A descriptor is of the wrong role.")
    if offer.merchant != merchant.fingerprint or offer.descriptor != merchant.hash:
        raise OfferMismatch("The merchant's descriptor is not the offer's.")
    if offer.broker != broker.fingerprint:
        raise OfferMismatch("The broker's descriptor is not the offer's.")
    begins = broker.descriptor.not_before - CLOCK_SKEW_SECONDS
    ends = broker.descriptor.not_after + CLOCK_SKEW_SECONDS
    if not begins <= receipt.held_at <= ends:
        raise OfferMismatch("The broker's descriptor was not valid at the time of payment.")
