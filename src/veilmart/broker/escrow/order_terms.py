"""What is signed and verified about an order before its transaction begins."""

from veilmart.broker.escrow import invoices
from veilmart.broker.escrow.invoices import InvoiceRow
from veilmart.broker.sessions.known_orders import OrderTerms
from veilmart.broker.state import BrokerState
from veilmart.errors import OrderUnknown
from veilmart.protocol import labels
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.offer import PaymentReceipt, invoice_hash, sign_object


def terms_of(state: BrokerState, order: bytes) -> Rule[OrderTerms]:
    """From memory where they are known. Raises OrderUnknown."""
    terms = state.orders.get(order)
    if terms is None:
        row = yield from transact(invoices.get_invoice, order)
        terms = OrderTerms(order, row.merchant, row.amount, row.order_key, row.signed)
        state.orders.add(terms)
    return terms


def find_terms(state: BrokerState, order: bytes) -> Rule[OrderTerms | None]:
    """`terms_of`, or None for an unknown order."""
    try:
        return (yield from terms_of(state, order))
    except OrderUnknown:
        return None


def is_of(row: InvoiceRow, terms: OrderTerms) -> bool:
    """Whether the stored invoice still is the one that the terms are of."""
    return row.signed == terms.signed


def signed_receipt(state: BrokerState, seed: bytes, terms: OrderTerms, held_at: int) -> bytes:
    """A payment receipt under the signing key with that seed (32 bytes). held_at: Unix seconds."""
    receipt = PaymentReceipt(
        broker=state.fingerprint,
        merchant=terms.merchant,
        order=terms.order,
        invoice=invoice_hash(terms.signed),
        amount=terms.amount,
        held_at=held_at,
    )
    return sign_object(seed, labels.PAYMENT_RECEIPT, receipt)
