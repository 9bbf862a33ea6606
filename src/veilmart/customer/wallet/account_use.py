"""When the account and when a token was used last here, to tell a person who uses both at once.

An observer of both within a short time may guess that they belong together. The person is warned:
nothing of this steers what is sent.
"""

from typing import Literal

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.schema.token_tables import errands

LATELY_SECONDS = 3600
ACCOUNT_USED_LATELY = (
    "Your account was used within the last hour: anyone who sees both may guess that this",
    "purchase is yours. Later, or by another way in, they do not.",
)
TOKEN_USED_LATELY = (
    "You bought with a token within the last hour: anyone who sees both may guess that the",
    "purchase was yours. Use the account later, or by another way in.",
)
Kind = Literal["account used", "token used"]
_t = errands.c
_NOTE = insert(errands)
_NOTE = _NOTE.on_conflict_do_update(
    index_elements=[_t.kind, _t.subject], set_={"due_at": _NOTE.excluded.due_at}
)
_TIMES = select(_t.due_at).where(_t.kind == bindparam("of_kind"))


def note_account_use(connection: Connection, broker: bytes, now: int) -> None:
    """broker: fingerprint, 32 bytes."""
    _note(connection, "account used", broker, now)


def note_token_use(connection: Connection, broker: bytes, now: int) -> None:
    """Where a token was sent to, whatever became of it."""
    _note(connection, "token used", broker, now)


def account_used_lately(connection: Connection, now: int) -> bool:
    """At whichever broker: the way in is seen by others too."""
    return _lately(connection, "account used", now)


def token_used_lately(connection: Connection, now: int) -> bool:
    return _lately(connection, "token used", now)


def _note(connection: Connection, kind: Kind, broker: bytes, now: int) -> None:
    connection.execute(_NOTE, {"kind": kind, "subject": broker, "due_at": now})


def _lately(connection: Connection, kind: Kind, now: int) -> bool:
    times = connection.execute(_TIMES, {"of_kind": kind}).scalars()
    return any(0 <= now - at < LATELY_SECONDS for at in times)
