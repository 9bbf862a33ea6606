"""Orders of a restored wallet that are known by their keys alone. Transactions."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from veilmart.customer.schema.token_tables import lost_orders


@dataclass(frozen=True)
class LostOrder:
    """An order that is known by its key alone. number: that of its order key."""

    broker: bytes
    number: int
    order_key: bytes


def orders_lost(connection: Connection) -> list[LostOrder]:
    """Orders known by their keys alone, by number."""
    t = lost_orders.c
    rows = connection.execute(select(t.broker, t.number, t.order_key).order_by(t.number))
    return [LostOrder(*row) for row in rows]


def order_found(connection: Connection, lost: LostOrder) -> None:
    """Forget a lost order: it has a row now, or brought its refund token."""
    t = lost_orders.c
    connection.execute(lost_orders.delete().where(t.broker == lost.broker, t.number == lost.number))
