"""What delivery found wrong with an order, kept so that `orders` can say it. Transactions."""

from sqlalchemy import Connection, delete, insert, select

from veilmart.customer.schema.tables import faults
from veilmart.customer.wallet.orders import Order, save_order
from veilmart.errors import DETAIL_MAX_CHARACTERS, VeilmartError

_f = faults.c
_ADD = insert(faults).prefix_with("OR REPLACE")


def note_fault(connection: Connection, order: bytes, fault: VeilmartError) -> None:
    """The newest fault of an order; another one is replaced."""
    what = fault.summary if not fault.detail else f"{fault.summary} {fault.detail}"
    connection.execute(_ADD, {"order": order, "what": what[:DETAIL_MAX_CHARACTERS]})


def save_faulty(connection: Connection, order: Order, fault: VeilmartError) -> None:
    """A later state of an order, together with what is wrong with it."""
    save_order(connection, order)
    note_fault(connection, order.order, fault)


def faults_by_order(connection: Connection) -> dict[bytes, str]:
    return {bytes(row[0]): str(row[1]) for row in connection.execute(select(_f.order, _f.what))}


def forget_fault(connection: Connection, order: bytes) -> None:
    """The order ended, well or refunded."""
    connection.execute(delete(faults).where(_f.order == order))
