"""An invoice's row against the bytes that its merchant signed, and its times. Pure."""

from collections.abc import Iterator

from veilmart.broker.audit.findings import Finding, order_name
from veilmart.broker.audit.order_file import Dossier
from veilmart.broker.audit.trusted_keys import Known, KnownMerchant, SigningKeys
from veilmart.errors import PeerFault, SignatureInvalid
from veilmart.protocol import labels
from veilmart.protocol.accounting import fee_of
from veilmart.protocol.encoding import decode
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.offer import SIGNATURE_BYTES, SIGNED_MAX_BYTES, Invoice, open_object
from veilmart.protocol.order_key import operation_id
from veilmart.storage.database.columns import AnyRow

_COLUMNS = ("merchant", "order", "amount", "order_key", "deliver_within", "settle_within")
UNPAID = (InvoiceState.OFFERED.value, InvoiceState.EXPIRED.value)
ENDED = (InvoiceState.SETTLED.value, InvoiceState.REFUNDED.value)
_DAY_SECONDS = 24 * 3600


def is_folded(row: AnyRow) -> bool:
    """Whether its month was folded: the transaction that paid it is known no more."""
    return row.hold is None and row.state in ENDED


def check_invoice(dossier: Dossier, known: Known, merchant: KnownMerchant) -> Iterator[Finding]:
    """invoice-state, invoice-signature, invoice-differs, invoice-fee, and the times."""
    row, name = dossier.invoice, order_name(dossier.order)
    if row.state not in list(InvoiceState):
        yield Finding("invoice-state", name, f"There is no state {row.state[:20]!r}.")
        return
    if row.fee not in {fee_of(row.amount, rate) for rate in known.fees}:
        what = f"A fee of {row.fee} for {row.amount} is at no rate that we ever published."
        yield Finding("invoice-fee", name, what)
    try:
        invoice = _signed(row.signed, merchant.keys)
    except SignatureInvalid:
        yield Finding("invoice-signature", name, "No key of its merchant signed it.")
        return
    except PeerFault:
        yield Finding("invoice-signature", name, "What was signed is not an invoice.")
        return
    for column in _COLUMNS:
        if getattr(row, column) != getattr(invoice, column):
            what = f"Its {column.replace('_', ' ')} is not the one that was signed."
            yield Finding("invoice-differs", name, what)
    if invoice.broker != known.broker:
        yield Finding("invoice-differs", name, "It was signed for another broker.")
    if is_folded(row):
        yield from _folded_times(row, name)
    else:
        yield from _times(dossier, invoice, name)


def _signed(signed: bytes, keys: SigningKeys) -> Invoice:
    """Raises SignatureInvalid, MalformedMessage, MessageTooLarge."""
    said = decode(Invoice, signed[SIGNATURE_BYTES:], SIGNED_MAX_BYTES)
    for key in keys.around(said.pay_by):
        try:
            return open_object(Invoice, key, labels.INVOICE, signed)
        except SignatureInvalid:
            continue  # another key may have signed it
    raise SignatureInvalid


def _folded_times(row: AnyRow, name: str) -> Iterator[Finding]:
    if row.due != 0 or row.held_at is None or row.held_at % _DAY_SECONDS:
        yield Finding("folded-times", name, "Its month is folded, its times are still there.")


def _times(dossier: Dossier, invoice: Invoice, name: str) -> Iterator[Finding]:
    """held_at and due follow from what was signed and from when things happened."""
    row = dossier.invoice
    if row.state in UNPAID:
        if row.held_at is not None or row.due != invoice.pay_by:
            yield Finding("invoice-times", name, "It is unpaid, yet it has times of a payment.")
        return
    if row.held_at is None or row.held_at >= invoice.pay_by:
        yield Finding("invoice-times", name, "It was paid after its time to pay was over.")
        return
    if any(entry.at < row.held_at for entry in dossier.entries):
        yield Finding("invoice-times", name, "Its money moved before it was held.")
    released = {op.at for op in dossier.operations if op.id == operation_id(row.order, "release")}
    due = _due(row, released, dossier)
    if due is not None and row.due not in due:
        yield Finding(
            "invoice-times", name, f"It is {row.state}; its deadline is not what follows."
        )
    if row.state == InvoiceState.RELEASED and any(
        at >= row.held_at + row.deliver_within for at in released
    ):
        yield Finding("invoice-times", name, "Its key went out after the time to deliver.")


def _due(row: AnyRow, released: set[int], dossier: Dossier) -> set[int] | None:
    """The deadlines that the row can have; None when that is not known any more."""
    held = row.held_at + row.deliver_within
    if row.state == InvoiceState.HELD:
        return {held}
    settled = {at + row.settle_within for at in released}
    if row.state == InvoiceState.RELEASED:
        return settled
    ended = max((entry.at for entry in dossier.entries), default=row.held_at)
    if not released or max(released) >= ended:
        # The answer was forgotten, and perhaps asked for once more afterwards.
        return None
    return settled | ({held} if row.state == InvoiceState.REFUNDED else set())
