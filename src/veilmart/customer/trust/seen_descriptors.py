"""Descriptors that each view of the wallet was shown: transactions.

A view is the account's or that of the anonymous connections. What was shown is compared at home;
what is asked for never depends on it (docs/protocol/11-tokens.md, 11.7).
"""

from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.schema.token_tables import seen_descriptors
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.storage.database.prepared import Prepared

View = Literal["account", "anonymous"]


@dataclass(frozen=True)
class SeenDescriptor:
    """What a view was shown. signed: as it was signed, for `read_descriptor`."""

    view: str
    serial: int
    not_before: int
    signed: bytes = field(repr=False)


_t = seen_descriptors.c
_OF_PARTY = Prepared(
    select(_t.view, _t.serial, _t.not_before, _t.signed)
    .where(_t.party == bindparam("of_party"))
    .order_by(_t.view, _t.serial)
)
_NEWEST = (
    select(_t.signed)
    .where(_t.party == bindparam("of_party"), _t.view == bindparam("of_view"))
    .order_by(_t.serial.desc())
    .limit(1)
)
_KEEP = insert(seen_descriptors).on_conflict_do_nothing()
_newest = seen_descriptors.alias()
_DROP_OLD = delete(seen_descriptors).where(
    _t.party == bindparam("of_party"),
    _t.not_before < bindparam("made_before"),
    _t.serial.not_in(
        select(func.max(_newest.c.serial))
        .where(_newest.c.party == bindparam("of_party"))
        .group_by(_newest.c.view)
    ),
)
_FORGET = delete(seen_descriptors).where(_t.party == bindparam("of_party"))


def newest_seen(connection: Connection, view: View, party: bytes) -> bytes | None:
    """As it was signed, for `read_descriptor`. party: fingerprint, 32 bytes."""
    query = {"of_view": view, "of_party": party}
    return connection.execute(_NEWEST, query).scalar_one_or_none()


def seen_of(connection: Connection, party: bytes) -> list[SeenDescriptor]:
    """Of both views, by view and serial."""
    return [SeenDescriptor(*row) for row in _OF_PARTY.rows(connection, {"of_party": party})]


def keep_seen(connection: Connection, view: View, descriptors: list[SignedDescriptor]) -> None:
    """Store descriptors of one party; rows that exist already do not change."""
    rows = [
        {
            "view": view,
            "party": one.fingerprint,
            "serial": one.descriptor.serial,
            "not_before": one.descriptor.not_before,
            "signed": one.signed,
        }
        for one in descriptors
    ]
    connection.execute(_KEEP, rows)


def drop_old(connection: Connection, party: bytes, before: int) -> None:
    """Those made before a time, but the newest of each view."""
    connection.execute(_DROP_OLD, {"of_party": party, "made_before": before})


def forget_seen(connection: Connection, party: bytes) -> None:
    """After `trust`: both views begin again with what the person has verified."""
    connection.execute(_FORGET, {"of_party": party})
