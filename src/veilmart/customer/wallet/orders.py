"""One purchase as the wallet stores it, and its transactions.

The plain functions of a `Connection` are safe to run again. A purchase commits four times:
CONFIRMING (before Pay is sent), HELD (every segment is on the disk), RELEASED (the key came),
DONE (file in place, acknowledged). DELIVERED lies between the last two and needs no commit of its
own: a wallet that dies there repeats the delivery from RELEASED.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from veilmart.crypto import signing
from veilmart.crypto.suite import Suite, suite_by_id
from veilmart.customer.schema.tables import faults, orders
from veilmart.errors import DETAIL_MAX_CHARACTERS, PeerFault, StoreDamaged, VeilmartError
from veilmart.limits import DESCRIPTION_MAX_BYTES
from veilmart.protocol import labels, offer as offers
from veilmart.protocol.catalogue import Product
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.offer import Offer
from veilmart.protocol.parcel import piece_count
from veilmart.protocol.state_table import step
from veilmart.protocol.wallet_states import WALLET, WalletEvent, WalletState
from veilmart.storage.database.prepared import Prepared

UNFINISHED = (
    WalletState.CONFIRMING,
    WalletState.HELD,
    WalletState.RELEASED,
    WalletState.DELIVERED,
)


@dataclass(frozen=True)
class Order:
    """A row of `orders`. Keys are 32 bytes each; `product` is the product's id, 16 bytes.

    spend: the encoded `Spend` of an order that a token pays, None where the account does.
    described: SHA-256 of the catalogue's description when it was bought, None if not kept.
    codes: the product is a licence key.
    """

    order: bytes
    state: str
    broker: bytes
    merchant: bytes
    broker_descriptor: bytes = field(repr=False)
    merchant_descriptor: bytes = field(repr=False)
    offer: bytes = field(repr=False)
    escrow_key: bytes = field(repr=False)
    order_seed: bytes = field(repr=False)
    product: bytes
    title: str
    file_name: str
    version: int
    pieces: bytes = field(repr=False)
    out_folder: str
    made_at: int
    changed_at: int
    receipt: bytes | None = field(default=None, repr=False)
    invoice: bytes | None = field(default=None, repr=False)
    content_key: bytes | None = field(default=None, repr=False)
    file_path: str | None = None
    spend: bytes | None = field(default=None, repr=False)
    described: bytes | None = field(default=None, repr=False)
    codes: bool = False

    # Any: fields have several types.
    def after(self, event: WalletEvent, now: int, **found: Any) -> "Order":
        """The order after `event`, with what came with it.

        Raises WrongOrderState for an event it cannot take.
        """
        state = step(WALLET, WalletState(self.state), event)
        return replace(self, state=state.value, changed_at=now, **found)


@dataclass(frozen=True)
class Terms:
    """The terms of an order's signed offer: just verified, or read again from the stored bytes."""

    offer: Offer
    suite: Suite
    signing_key: bytes
    count: int


def terms_of(order: Order) -> Terms:
    """Verify an order's stored documents again. Raises StoreDamaged when they do not verify."""
    try:
        return _read_terms(order.merchant_descriptor, order.offer)
    except PeerFault as fault:
        raise StoreDamaged(f"Order {order.order.hex()[:8]}.") from fault


@lru_cache(maxsize=64)
def _read_terms(merchant_descriptor: bytes, signed_offer: bytes) -> Terms:
    """Asked several times per purchase; the bytes decide, so the answer may be remembered."""
    key = read_descriptor(merchant_descriptor).descriptor.signing_key
    offer = offers.open_object(Offer, key, labels.OFFER, signed_offer)
    return Terms(offer, suite_by_id(offer.suite), key, piece_count(offer.size))


def described(product: Product) -> bytes:
    """What is kept of a description, 32 bytes; as much work for every product."""
    padded = product.description.encode().ljust(DESCRIPTION_MAX_BYTES, b"\0")
    return sha256(padded).digest()


def order_key(order: Order) -> bytes:
    """The public half, 32 bytes."""
    return signing.public_key(order.order_seed)


_ROWS_AT_ONCE = 64
_OWNED_STATES = [WalletState.RELEASED.value, WalletState.DELIVERED.value, WalletState.DONE.value]
_COLUMNS = tuple(item.name for item in fields(Order))
_SELECT = select(*(orders.c[name] for name in _COLUMNS))
# Not prepared: their texts are padded by the column's type (padded_text.py).
_INSERT = insert(orders)
_ADD_FAULT = insert(faults).prefix_with("OR REPLACE")
_CHANGEABLE = (
    "state",
    "changed_at",
    "broker_descriptor",
    "receipt",
    "invoice",
    "content_key",
    "spend",
)
_UPDATE = (
    update(orders)
    .where(orders.c.order == bindparam("at_order"))
    .values({name: bindparam(f"new_{name}") for name in (*_CHANGEABLE, "file_path")})
)
_FORGET_FAULT = Prepared(delete(faults).where(faults.c.order == bindparam("at_order")))
_BY_ORDER = _SELECT.where(orders.c.order == bindparam("at_order"))
_ALL = _SELECT.order_by(orders.c.made_at.desc(), orders.c.order.desc())  # in the order of an index
_BY_STATE = _ALL.where(orders.c.state.in_(bindparam("states", expanding=True)))
_OWNED = _ALL.where(
    orders.c.merchant == bindparam("at_merchant"),
    orders.c.product == bindparam("at_product"),
    orders.c.state.in_(_OWNED_STATES),
)


def add_order(connection: Connection, order: Order) -> None:
    """The commit at "y": from here on the purchase is remembered."""
    connection.execute(_INSERT, {name: getattr(order, name) for name in _COLUMNS})


def save_order(connection: Connection, order: Order) -> None:
    """Record a later state. What was agreed at "y" never changes."""
    values = {f"new_{name}": getattr(order, name) for name in (*_CHANGEABLE, "file_path")}
    connection.execute(_UPDATE, {"at_order": order.order, **values})


def save_elsewhere(connection: Connection, order: bytes, folder: str) -> None:
    """The file of an unfinished order shall go to another folder."""
    row = update(orders).where(orders.c.order == order)
    connection.execute(row.values(out_folder=folder))


def get_order(connection: Connection, order: bytes) -> Order | None:
    row = connection.execute(_BY_ORDER, {"at_order": order}).one_or_none()
    return None if row is None else Order(*row)


def all_orders(connection: Connection) -> list[Order]:
    """Newest first."""
    return list(stream_orders(connection))


def stream_orders(connection: Connection) -> Iterator[Order]:
    """The same, read while they are used, a few at a time."""
    rows = connection.execute(_ALL, execution_options={"yield_per": _ROWS_AT_ONCE})
    return (Order(*row) for row in rows)


def orders_in(connection: Connection, states: tuple[WalletState, ...]) -> list[Order]:
    """The orders in one of `states`, newest first."""
    names = [state.value for state in states]
    return [Order(*row) for row in connection.execute(_BY_STATE, {"states": names})]


def owned(connection: Connection, merchant: bytes, product: bytes) -> list[Order]:
    """Purchases of this product whose key is here, newest first."""
    values = {"at_merchant": merchant, "at_product": product}
    return [Order(*row) for row in connection.execute(_OWNED, values)]


def times_ordered(connection: Connection, merchant: bytes, product: bytes) -> int:
    """How many orders of this product there are, in whatever state."""
    query = select(func.count()).where(orders.c.merchant == merchant, orders.c.product == product)
    return int(connection.execute(query).scalar_one())


# ---- what delivery found wrong, kept so that `orders` can say it ---------------------------------


def note_fault(connection: Connection, order: bytes, fault: VeilmartError) -> None:
    """The newest fault of an order; another one is replaced."""
    what = fault.summary if not fault.detail else f"{fault.summary} {fault.detail}"
    connection.execute(_ADD_FAULT, {"order": order, "what": what[:DETAIL_MAX_CHARACTERS]})


def save_faulty(connection: Connection, order: Order, fault: VeilmartError) -> None:
    """A later state of an order, together with what is wrong with it."""
    save_order(connection, order)
    note_fault(connection, order.order, fault)


def faults_by_order(connection: Connection) -> dict[bytes, str]:
    return {
        bytes(row[0]): str(row[1])
        for row in connection.execute(select(faults.c.order, faults.c.what))
    }


def forget_fault(connection: Connection, order: bytes) -> None:
    """The order ended, well or refunded."""
    _FORGET_FAULT.run(connection, {"at_order": order})
