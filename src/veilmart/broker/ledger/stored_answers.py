"""Operations that have an effect on money happen once (protocol 5.6).

Asked again with the same id and the same body, the broker gives its stored answer; with another
body it refuses. An operation that was refused is not stored and may be tried again.
"""

from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select

from veilmart.broker.schema import tables
from veilmart.errors import OperationConflict
from veilmart.protocol import labels
from veilmart.protocol.encoding import Message, encode, labelled_hash, le64
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.order_key import operation_id
from veilmart.storage.database.prepared import Prepared

ACTIONS: Final = ("pay", "spend", "release", "acknowledge", "cancel", "dispute")
"""Of which an answer can be stored for an order."""
KEPT_SECONDS = 30 * 24 * 3600
_PRUNED_AT_ONCE = 1000
_ENDED = (InvoiceState.SETTLED.value, InvoiceState.REFUNDED.value, InvoiceState.EXPIRED.value)

_find = Prepared(
    select(tables.operations.c.body, tables.operations.c.answer).where(
        tables.operations.c.id == bindparam("of")
    )
)
_add = Prepared(insert(tables.operations))
_old = (
    select(tables.operations.c.id)
    .join(tables.invoices, tables.invoices.c.order == tables.operations.c.order)
    .where(tables.operations.c.at < bindparam("before"))
    .where(tables.invoices.c.state.in_(_ENDED))
    # The oldest first: the audit reckons that an answer is there if an earlier one still is.
    .order_by(tables.operations.c.at)
    .limit(_PRUNED_AT_ONCE)
)
_prune = delete(tables.operations).where(tables.operations.c.id.in_(_old))


def body_hash(message: Message, account: int) -> bytes:
    """32 bytes over who asks (an account's number, or 0 for the order key) and what is asked."""
    return labelled_hash(labels.OPERATION_BODY, le64(account), encode(message))


def issue_hash(account: int, key: bytes, first: int, blinded: bytes) -> bytes:
    """32 bytes over what makes a withdrawal the same one, from whichever wallet it comes."""
    return labelled_hash(labels.OPERATION_BODY, le64(account), key, le64(first), blinded)


def check_id(operation: bytes, order: bytes, action: str) -> None:
    """An id belongs to one action on one order, so nobody can use up another order's id.

    Raises OperationConflict.
    """
    if operation != operation_id(order, action):
        raise OperationConflict


def stored_answer(conn: Connection, operation: bytes, body: bytes) -> bytes | None:
    """The answer given before, or None the first time. Raises OperationConflict."""
    row = _find.row(conn, {"of": operation})
    if row is None:
        return None
    if row[0] != body:
        raise OperationConflict
    return bytes(row[1])


def remember(
    conn: Connection, operation: bytes, order: bytes, body: bytes, answer: bytes, now: int
) -> None:
    """Store the answer in the transaction that has the effect."""
    row = {"id": operation, "order": order, "body": body, "answer": answer, "at": now}
    _add.run(conn, row)


def prune(conn: Connection, now: int) -> None:
    """Forget operations of ended orders after 30 days."""
    conn.execute(_prune, {"before": now - KEPT_SECONDS})
