"""References of payments in cash: the same one again is the same payment, for ever.

The operator chooses them, as the number of a bank's transfer. Only a hash is kept, and who was
paid how much only as long as the transaction itself, until it is folded.
"""

from sqlalchemy import Connection, bindparam, insert, select

from veilmart.broker.ledger.booking import TransactionKind
from veilmart.broker.schema import tables
from veilmart.broker.schema.operator_tables import cash_references
from veilmart.characters import is_plain
from veilmart.errors import BadArgument, ReferenceUsed
from veilmart.limits import NOTE_MAX_CHARACTERS
from veilmart.protocol import labels
from veilmart.protocol.encoding import labelled_hash

_find = select(cash_references.c.entry).where(cash_references.c.id == bindparam("of"))
_add = insert(cash_references)
_changed = select(tables.postings.c.account, tables.postings.c.amount).where(
    tables.postings.c.entry == bindparam("of"), tables.postings.c.account != tables.CASH
)


def is_booked(
    conn: Connection, kind: TransactionKind, reference: str, account: int, change: int
) -> bool:
    """Whether it was booked as `change` (minor units) of that account.

    Raises BadArgument; ReferenceUsed when it stands for another payment, or for one whose month has
    been folded.
    """
    if not 0 < len(reference) <= NOTE_MAX_CHARACTERS or not is_plain(reference):
        raise BadArgument(f"A reference has 1 to {NOTE_MAX_CHARACTERS} printable characters.")
    entry = conn.execute(_find, {"of": _id(kind, reference)}).scalar_one_or_none()
    if entry is None:
        return False
    booked = [tuple(row) for row in conn.execute(_changed, {"of": entry})]
    if not booked:
        raise ReferenceUsed("Its month has been folded.")
    if booked != [(account, change)]:
        raise ReferenceUsed
    return True


def keep(conn: Connection, kind: TransactionKind, reference: str, entry: int) -> None:
    """Part of the transaction that books it. The database lets each be there once."""
    conn.execute(_add, {"id": _id(kind, reference), "entry": entry})


def _id(kind: TransactionKind, reference: str) -> bytes:
    return labelled_hash(labels.CASH_REFERENCE, kind.encode(), reference.encode())
