"""Guessing passwords: after a few failures a name is locked for 1, 2, 4 ... 30 seconds.

Names are kept as HMAC under a secret of the broker, so the table does not say which names were
tried, and unknown names count like known ones. A failure is recorded before the password is
verified and forgotten on success: guesses sent all at once count one by one.
"""

import hashlib
import hmac

from sqlalchemy import Connection, bindparam, delete, select

from veilmart.broker.schema import tables
from veilmart.errors import TooManyAttempts
from veilmart.limits import GUESS_DELAY_MAX_SECONDS, GUESSES_FREE
from veilmart.protocol.name_key import name_key
from veilmart.storage.database.columns import insert

FORGET_AFTER_SECONDS = 3600

_state = select(tables.guesses.c.failures, tables.guesses.c.not_before).where(
    tables.guesses.c.name == bindparam("of")
)
_insert = insert(tables.guesses)
_record = _insert.on_conflict_do_update(
    index_elements=[tables.guesses.c.name],
    set_={"failures": _insert.excluded.failures, "not_before": _insert.excluded.not_before},
)
_forget = delete(tables.guesses).where(tables.guesses.c.name == bindparam("of"))
_forget_old = delete(tables.guesses).where(tables.guesses.c.not_before < bindparam("before"))


def name_mac(secret: bytes, username: str) -> bytes:
    """32 bytes that stand for a name."""
    return hmac.digest(secret, name_key(username).encode(), hashlib.sha256)


def delay_seconds(failures: int) -> int:
    """How long a name is locked after its `failures`-th failure in a row."""
    if failures < GUESSES_FREE:
        return 0
    return min(GUESS_DELAY_MAX_SECONDS, int(2 ** min(failures - GUESSES_FREE, 10)))


def take_guess(conn: Connection, name: bytes, now: int) -> None:
    """Count an attempt as failed until `forgive`. Raises TooManyAttempts with the seconds left."""
    row = conn.execute(_state, {"of": name}).one_or_none()
    failures, not_before = (0, 0) if row is None else (int(row[0]), int(row[1]))
    if now < not_before:
        raise TooManyAttempts(f"Wait {not_before - now} seconds.")
    failures += 1
    until = now + delay_seconds(failures)
    conn.execute(_record, {"name": name, "failures": failures, "not_before": until})


def forgive(conn: Connection, name: bytes) -> None:
    """Forget the failures of a name after the right password."""
    conn.execute(_forget, {"of": name})


def forget_old(conn: Connection, now: int) -> None:
    """Forget names that were not tried for an hour."""
    conn.execute(_forget_old, {"before": now - FORGET_AFTER_SECONDS})
