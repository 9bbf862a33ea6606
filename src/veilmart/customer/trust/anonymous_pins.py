"""The catalogue that the anonymous connections saw last: transactions.

An account never fetches one. Descriptors are in seen_descriptors.py (docs/protocol/11-tokens.md,
11.7).
"""

from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.schema.token_tables import anonymous_view
from veilmart.storage.database.prepared import Prepared

Kind = Literal["catalogue"]


@dataclass(frozen=True)
class Seen:
    """The newest document of a kind that anonymous connections have seen.

    signed: as received. signing_key, certificate: for a catalogue, the key that verified it and the
    signed descriptor that names the key; else None.
    """

    signed: bytes = field(repr=False)
    signing_key: bytes | None = None
    certificate: bytes | None = field(default=None, repr=False)


_t = anonymous_view.c
_SEEN = Prepared(
    select(_t.signed, _t.signing_key, _t.certificate).where(
        _t.kind == bindparam("of_kind"), _t.party == bindparam("of_party")
    )
)
_SAVE = insert(anonymous_view)
_SAVE = _SAVE.on_conflict_do_update(
    index_elements=[_t.kind, _t.party],
    set_={name: _SAVE.excluded[name] for name in ("signed", "signing_key", "certificate")},
)
_FORGET = delete(anonymous_view).where(_t.party == bindparam("of_party"))


def seen(connection: Connection, kind: Kind, party: bytes) -> Seen | None:
    """party: fingerprint, 32 bytes."""
    row = _SEEN.first(connection, {"of_kind": kind, "of_party": party})
    return None if row is None else Seen(*row)


def save_seen(connection: Connection, kind: Kind, party: bytes, seen: Seen) -> None:
    connection.execute(_SAVE, {"kind": kind, "party": party} | vars(seen))


def forget_catalogue(connection: Connection, party: bytes) -> None:
    """After `trust`: both views begin again with what the person has verified."""
    connection.execute(_FORGET, {"of_party": party})
