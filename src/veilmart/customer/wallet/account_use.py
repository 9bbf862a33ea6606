"""When the account was last used here, to warn a person who buys anonymously soon after.

It is only shown to the person and never influences what is sent.
"""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.schema.token_tables import errands

_KIND = "account used"
_t = errands.c


def note_account_use(connection: Connection, broker: bytes, now: int) -> None:
    """broker: fingerprint, 32 bytes."""
    given = insert(errands).values(kind=_KIND, subject=broker, due_at=now)
    change = {"due_at": now}
    connection.execute(given.on_conflict_do_update(index_elements=["kind", "subject"], set_=change))


def account_used_at(connection: Connection, broker: bytes) -> int | None:
    """Unix seconds; None when it never was."""
    query = select(_t.due_at).where(_t.kind == _KIND, _t.subject == broker)
    found: int | None = connection.execute(query).scalar_one_or_none()
    return found
