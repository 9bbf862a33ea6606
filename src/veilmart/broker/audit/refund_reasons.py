"""Why an order went back: a dispute that was won, or a refund that its merchant signed. Pure."""

from collections.abc import Iterator

from veilmart.broker.audit.findings import Finding, order_name
from veilmart.broker.audit.order_file import Dossier
from veilmart.broker.audit.signed_invoice import is_folded
from veilmart.broker.audit.trusted_keys import Known, KnownMerchant
from veilmart.broker.schema.dispute_tables import WON
from veilmart.errors import PeerFault
from veilmart.protocol import labels
from veilmart.protocol.dispute_messages import RefundRequest
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.order_key import operation_id
from veilmart.protocol.signed_requests import read_request, verify_request

_HASH_BYTES = 32


def check_returned(dossier: Dossier, known: Known, merchant: KnownMerchant) -> Iterator[Finding]:
    """dispute-differs, refund-differs, refund-unsigned."""
    row, name = dossier.invoice, order_name(dossier.order)
    refunds = {entry.at for entry in dossier.entries if entry.kind in ("refund", "give back")}
    disputed = any(op.id == operation_id(dossier.order, "dispute") for op in dossier.operations)
    won = dossier.dispute is not None and dossier.dispute.outcome == WON
    if won and (row.state != InvoiceState.REFUNDED or len(dossier.dispute.hash) != _HASH_BYTES):
        yield Finding("dispute-differs", name, f"It is {row.state}; its dispute was won.")
    if won and not is_folded(row) and dossier.dispute.at not in refunds:
        yield Finding("dispute-differs", name, "Its dispute was won at another time.")
    if disputed and not won:
        yield Finding("dispute-differs", name, "A dispute was answered but is not recorded.")
    if dossier.signed_refund is not None:
        yield from _signed_refund(dossier, known, merchant, refunds, name)
    elif any(entry.kind == "give back" for entry in dossier.entries):
        yield Finding("refund-unsigned", name, "Its merchant refunded it without a signed request.")


def _signed_refund(
    dossier: Dossier, known: Known, merchant: KnownMerchant, refunds: set[int], name: str
) -> Iterator[Finding]:
    row = dossier.invoice
    try:
        request = read_request(RefundRequest, dossier.signed_refund.signed)
        verify_request(merchant.identity, labels.MERCHANT_REFUND, dossier.signed_refund.signed)
    except PeerFault:
        yield Finding("refund-differs", name, "Its merchant did not sign the refund that is kept.")
        return
    if (request.broker, request.merchant, request.order) != (known.broker, row.merchant, row.order):
        yield Finding("refund-differs", name, "Its merchant's refund names something else.")
    folded = is_folded(row) and not refunds
    if row.state != InvoiceState.REFUNDED or not (folded or dossier.signed_refund.at in refunds):
        yield Finding("refund-differs", name, "Its merchant signed a refund; none was made then.")
