"""Parcels of one small segment: a row of the wallet's database instead of a file.

A file needs three syncs of its own before the key may be asked for. A row is durable with the
commit that records HELD, and goes with the one that records DONE. The functions of a `Connection`
are transactions, safe to run again.
"""

from sqlalchemy import Connection, bindparam, delete, insert, select

from veilmart.customer.schema.tables import parcels
from veilmart.customer.wallet.delivery_faults import forget_fault
from veilmart.customer.wallet.orders import Order, Terms, save_order
from veilmart.limits import PARCEL_IN_DATABASE_MAX_BYTES
from veilmart.protocol.parcel import segment_length

_STORE = insert(parcels).prefix_with("OR REPLACE")
_FIND = select(parcels.c.segment).where(parcels.c.order == bindparam("at_order"))
_DROP = delete(parcels).where(parcels.c.order == bindparam("at_order"))


def is_small(terms: Terms) -> bool:
    """Whether the order's parcel is kept in the database. Depends on the shelf's size alone."""
    return terms.count == 1 and segment_length(terms.offer.size, 0) <= PARCEL_IN_DATABASE_MAX_BYTES


def store_segment(connection: Connection, order: bytes, segment: bytes) -> None:
    """Keep the verified sealed segment; another one for the same order is replaced."""
    connection.execute(_STORE, {"order": order, "segment": segment})


def stored_segment(connection: Connection, order: bytes) -> bytes | None:
    """What is kept, unverified."""
    found = connection.execute(_FIND, {"at_order": order}).scalar_one_or_none()
    return None if found is None else bytes(found)


def save_held(connection: Connection, order: Order, segment: bytes | None) -> None:
    """The HELD commit, with the segment where the parcel is small."""
    save_order(connection, order)
    if segment is not None:
        store_segment(connection, order.order, segment)


def save_ended(connection: Connection, order: Order) -> None:
    """The last commit of a purchase: what was kept of parcel and fault is not needed any more."""
    save_order(connection, order)
    connection.execute(_DROP, {"at_order": order.order})
    forget_fault(connection, order.order)
