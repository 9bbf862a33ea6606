"""The answers that are stored for an order's operations: ours, true, and possible. Pure."""

from collections.abc import Iterator

from veilmart.broker.audit.findings import Finding, order_name
from veilmart.broker.audit.order_file import Dossier, Entry, Operation
from veilmart.broker.audit.signed_invoice import is_folded
from veilmart.broker.audit.trusted_keys import Known, SigningKeys
from veilmart.broker.ledger.stored_answers import body_hash
from veilmart.errors import PeerFault, SignatureInvalid
from veilmart.limits import BODY_MAX_BYTES
from veilmart.protocol import labels
from veilmart.protocol.customer_messages import OrderStatus, Paid, Pay, Released
from veilmart.protocol.encoding import decode
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.offer import PaymentReceipt, invoice_hash, open_object
from veilmart.protocol.order_key import operation_id
from veilmart.protocol.token_messages import Spent
from veilmart.storage.database.columns import AnyRow

STATES: dict[str, tuple[str, ...]] = {
    "pay": (
        InvoiceState.HELD,
        InvoiceState.RELEASED,
        InvoiceState.SETTLED,
        InvoiceState.REFUNDED,
    ),
    "release": (InvoiceState.RELEASED, InvoiceState.SETTLED, InvoiceState.REFUNDED),
    "acknowledge": (InvoiceState.SETTLED, InvoiceState.REFUNDED),
    "cancel": (InvoiceState.REFUNDED,),
    "dispute": (InvoiceState.REFUNDED,),
}
"""Action → states of an order for which its answer can be stored."""


def check_answers(dossier: Dossier, known: Known) -> Iterator[Finding]:
    """operation-unknown, operation-state, operation-missing, operation-answer and receipts."""
    row, name = dossier.invoice, order_name(dossier.order)
    ids = {operation_id(dossier.order, action): action for action in STATES}
    found: dict[str, Operation] = {}
    for operation in dossier.operations:
        action = ids.get(operation.id)
        if action is None:
            yield Finding("operation-unknown", name, "A stored answer belongs to no action on it.")
            continue
        found[action] = operation
        if row.state not in STATES[action]:
            what = f"It is {row.state}; {action} was answered."
            yield Finding("operation-state", name, what)
    yield from _missing(dossier, found, name)
    yield from _spent(dossier, known, name)
    for action, operation in found.items():
        try:
            yield from _answer(dossier, action, operation, known, name)
        except PeerFault:
            yield Finding("operation-answer", name, f"The stored answer to {action} is not valid.")


def _missing(dossier: Dossier, found: dict[str, Operation], name: str) -> Iterator[Finding]:
    """Answers are forgotten once an order has ended, not before, the oldest first."""
    row = dossier.invoice
    needed: list[str] = []
    by_token = dossier.spent is not None and not dossier.spent.late
    if row.state in (InvoiceState.HELD, InvoiceState.RELEASED) and not by_token:
        needed.append("pay")
    if row.state == InvoiceState.RELEASED:
        needed.append("release")
    for action in needed:
        if action not in found:
            what = f"It is {row.state}; nothing says that there was a {action}."
            yield Finding("operation-missing", name, what)
    if not is_folded(row):
        for entry in dossier.entries[1:]:
            yield from _reason(dossier, entry, found, name)


def _reason(
    dossier: Dossier, entry: Entry, found: dict[str, Operation], name: str
) -> Iterator[Finding]:
    """The stored request for which money left escrow before its deadline."""
    if entry.kind == "give back" or dossier.signed_refund is not None:
        return  # refund_reasons.py checks the merchant's signed refund
    if dossier.invoice.due <= entry.at or not any(op.at < entry.at for op in found.values()):
        return  # by itself, or so long ago that answers are forgotten
    reasons = ("acknowledge",) if entry.kind == "settle" else ("cancel", "dispute")
    if not any(action in found for action in reasons):
        what = f"Nothing says why the {entry.kind} came before its time."
        yield Finding("operation-missing", name, what)


def _answer(
    dossier: Dossier, action: str, operation: Operation, known: Known, name: str
) -> Iterator[Finding]:
    """Raises PeerFault for an answer that is not one."""
    row = dossier.invoice
    if action == "pay":
        yield from _paid(dossier, operation, known, name)
    elif action == "release":
        released = decode(Released, operation.answer, BODY_MAX_BYTES)
        if released.invoice != row.signed:
            yield Finding("operation-answer", name, "Another invoice was handed out than is kept.")
    else:
        status = decode(OrderStatus, operation.answer, BODY_MAX_BYTES)
        expected = InvoiceState.SETTLED if action == "acknowledge" else InvoiceState.REFUNDED
        if (status.state, status.due) != (expected.value, 0):
            yield Finding("operation-answer", name, f"The stored answer to {action} is untrue.")


def _paid(dossier: Dossier, operation: Operation, known: Known, name: str) -> Iterator[Finding]:
    """The receipt is ours and names this invoice; the account that asked has paid."""
    row = dossier.invoice
    if is_folded(row):
        yield Finding("folded-times", name, "Its month is folded, who paid can still be tried out.")
        return
    paid = decode(Paid, operation.answer, BODY_MAX_BYTES)
    yield from _check_receipt(paid.receipt, row, known, name)
    payer = _payer(dossier)
    asked = Pay(operation=operation.id, order=row.order, amount=row.amount)
    if payer is not None and body_hash(asked, payer) != operation.body:
        yield Finding("payer-differs", name, "Another account paid than the one that asked to.")
    if operation.at != row.held_at:
        yield Finding("operation-answer", name, "It was answered at another time than it was paid.")


def _spent(dossier: Dossier, known: Known, name: str) -> Iterator[Finding]:
    """The same for a token: its answer is kept with it until the month is folded."""
    row, spent = dossier.invoice, dossier.spent
    if spent is None or spent.late:
        return
    if spent.order_key != row.order_key:
        yield Finding("token-payment", name, "Another order key showed the token.")
    if spent.answer is None:
        if not is_folded(row):
            yield Finding("operation-missing", name, "The answer to its token is missing.")
        return
    try:
        answer = decode(Spent, spent.answer, BODY_MAX_BYTES)
        yield from _check_receipt(answer.receipt, row, known, name)
    except PeerFault:
        yield Finding("operation-answer", name, "The stored answer to its token is not valid.")


def _check_receipt(signed: bytes, row: AnyRow, known: Known, name: str) -> Iterator[Finding]:
    """Raises MalformedMessage for what is no receipt."""
    try:
        receipt = _receipt(signed, known.keys, row.held_at or 0)
    except SignatureInvalid:
        yield Finding("receipt-signature", name, "No key of ours signed its receipt.")
        return
    expected = {
        "broker": known.broker,
        "merchant": row.merchant,
        "order": row.order,
        "invoice": invoice_hash(row.signed),
        "amount": row.amount,
        "held_at": row.held_at,
    }
    for column, value in expected.items():
        if getattr(receipt, column) != value:
            what = f"The receipt's {column.replace('_', ' ')} differs."
            yield Finding("receipt-differs", name, what)


def _receipt(signed: bytes, keys: SigningKeys, at: int) -> PaymentReceipt:
    """Raises SignatureInvalid, MalformedMessage."""
    for key in keys.around(at):
        try:
            return open_object(PaymentReceipt, key, labels.PAYMENT_RECEIPT, signed)
        except SignatureInvalid:
            continue  # another key may have signed it
    raise SignatureInvalid


def _payer(dossier: Dossier) -> AnyRow:
    hold = dossier.entries[0] if dossier.entries else None
    if hold is None or hold.kind != "hold":
        return None
    return next((account for account, amount in hold.moves if amount < 0), None)
