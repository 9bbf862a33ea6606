"""Orders: a row from the offer on, its state moved by the table in protocol/order_states.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

from sqlalchemy import Connection, bindparam, delete, func, select, text, update

from veilmart.errors import OrderUnknown, SegmentUnknown, WrongOrderState
from veilmart.limits import CLOCK_SKEW_SECONDS, SEGMENTS_AFTER_SECONDS
from veilmart.merchant.schema.tables import brokers, orders, shelves
from veilmart.protocol.link_messages import ReportEntry
from veilmart.protocol.order_states import ORDER, OrderEvent, OrderState
from veilmart.protocol.parcel import piece_count
from veilmart.protocol.state_table import step
from veilmart.storage.database.columns import insert
from veilmart.storage.database.isolation import repeatable, snapshot
from veilmart.storage.database.prepared import Prepared

FORGET_UNPAID_SECONDS = 24 * 3600
"""How long an expired offer is kept: the broker may have held its payment in time."""


@dataclass(frozen=True)
class Order:
    """order: offer hash (32). size: of the padded product. broker: number of the pinned broker.

    offer: as it was signed; none for an order from before it was kept. forget_at: Unix seconds, of
    an expired one.
    """

    order: bytes
    broker: int
    product: bytes
    root: bytes
    shelf: int
    size: int
    suite: int
    content_key: bytes = field(repr=False)
    key_set: int
    price: int
    state: OrderState
    offered_at: int
    pay_by: int
    paid_at: int | None = None
    ended_at: int | None = None
    offer: bytes | None = None
    forget_at: int | None = None


@dataclass(frozen=True)
class Ended:
    """An order that a report ended. event: the report's. funds: afterwards, minor units."""

    order: bytes
    event: str
    funds: int


@dataclass(frozen=True)
class ReportOutcome:
    """What a report changed. contradictions: entries that say otherwise than an earlier report."""

    ended: tuple[Ended, ...]
    contradictions: int


_INSERT = Prepared(insert(orders).on_conflict_do_nothing())
_COLUMNS = [column.name for column in fields(Order)]
_STATE = _COLUMNS.index("state")
_BY_NAME = Prepared(
    select(*(orders.c[name] for name in _COLUMNS)).where(orders.c.order == bindparam("name"))
)
_PAID = Prepared(
    update(orders)
    .where(orders.c.order == bindparam("name"))
    .values(state=OrderState.PAID, paid_at=bindparam("held"))
)
_STATE_OF = Prepared(
    select(orders.c.state, orders.c.price).where(
        orders.c.order == bindparam("name"), orders.c.broker == bindparam("broker_id")
    )
)
_ENDED = Prepared(
    update(orders)
    .where(orders.c.order == bindparam("name"))
    .values(state=bindparam("reached"), ended_at=bindparam("at"))
)
# Word for word as in the indexes, or neither database knows that they do.
_offered, _expired = text("orders.state = 'offered'"), text("orders.state = 'expired'")
_WAITING = select(orders.c.order).where(_offered, orders.c.pay_by <= bindparam("now"))
_delivered_within = (
    select(shelves.c.deliver_within).where(shelves.c.id == orders.c.shelf).scalar_subquery()
)
# The broker may have taken the payment in time without our hearing of it: a segment can be asked
# for until the shelf's time to deliver is over.
_EXPIRE = (
    update(orders)
    .where(_offered, orders.c.pay_by <= bindparam("now"))
    .values(
        state=OrderState.EXPIRED,
        ended_at=bindparam("now"),
        forget_at=bindparam("later") + func.coalesce(_delivered_within, 0),
    )
)
_SOME_OLD = (
    select(orders.c.order).where(_expired, orders.c.forget_at <= bindparam("now")).limit(1000)
)
_FORGET = delete(orders).where(orders.c.order.in_(_SOME_OLD), _expired)
_LASTS = select(shelves.c.deliver_within + shelves.c.settle_within).where(
    shelves.c.id == bindparam("at")
)
_REPORTED = Prepared(
    select(brokers.c.reported, brokers.c.balance).where(brokers.c.id == bindparam("broker_id"))
)
_BALANCE = Prepared(
    update(brokers)
    .where(brokers.c.id == bindparam("broker_id"))
    .values(balance=bindparam("funds"), reported=bindparam("sequence"))
)
_SALES = (
    select(orders.c.product, orders.c.shelf, orders.c.state, func.count(), func.sum(orders.c.price))
    .group_by(orders.c.product, orders.c.shelf, orders.c.state)
    .order_by(orders.c.shelf, orders.c.product, orders.c.state)
)


@repeatable
@snapshot
def store_order(connection: Connection, order: Order) -> None:
    """Transaction: the offer, before it is sent. Its name is random: the same one is the same."""
    _INSERT.run(connection, vars(order))


def find_order(connection: Connection, name: bytes, broker: int) -> Order:
    """Transaction. Raises OrderUnknown, also for another broker's order."""
    row = _BY_NAME.row(connection, {"name": name})
    if row is None:
        raise OrderUnknown
    columns = list(row)
    columns[_STATE] = OrderState(columns[_STATE])
    order = Order(*columns)
    if order.broker != broker:
        raise OrderUnknown
    return order


@repeatable
@snapshot
def segment_asked(
    connection: Connection, name: bytes, broker: int, index: int, held_at: int, now: int
) -> tuple[Order, bool]:
    """Transaction: the order, and whether this was the first time. Writes only then.

    The broker asks only when it holds the payment, and not for ever: what it could fetch of an old
    order at will would tell, by our caches, which product that was. Raises OrderUnknown,
    SegmentUnknown, WrongOrderState.
    """
    order = find_order(connection, name, broker)
    if index >= piece_count(order.size):
        raise SegmentUnknown(f"Number {index}.")
    if _is_over(connection, order, now):
        raise WrongOrderState("Its segments ended with its settlement.")
    reached = step(ORDER, order.state, OrderEvent.SEGMENT_ASKED)
    if reached is order.state:
        return order, False
    _PAID.run(connection, {"name": name, "held": held_at})
    return order, True


def _is_over(connection: Connection, order: Order, now: int) -> bool:
    """By our clock: settled a while ago, or so old that its settlement must have been."""
    settled = order.ended_at if order.state is OrderState.SETTLED else None
    if settled is not None and now >= settled + SEGMENTS_AFTER_SECONDS:
        return True
    if now < order.pay_by + SEGMENTS_AFTER_SECONDS:
        return False
    lasts = connection.execute(_LASTS, {"at": order.shelf}).scalar_one()
    return bool(now >= order.pay_by + lasts + CLOCK_SKEW_SECONDS + SEGMENTS_AFTER_SECONDS)


_EVENTS = {
    "settled": OrderEvent.REPORT_SETTLED,
    "refunded": OrderEvent.REPORT_REFUNDED,
    "returned": OrderEvent.REPORT_RETURNED,
}


@snapshot
def last_heard(connection: Connection, broker: int) -> int:
    """Transaction: the sequence of the last report entry that reached us, 0 for none."""
    return int(_REPORTED.one(connection, {"broker_id": broker})[0])


def apply_report(
    connection: Connection,
    broker: int,
    entries: Sequence[ReportEntry],
    funds: int,
    ended_order: Callable[[Connection, bytes, bool], None] | None = None,
) -> ReportOutcome:
    """Transaction: all entries of a report, idempotently, and the account's balance.

    ended_order: told of each order that ended now, and whether its key may have been out (settled,
    or returned later); same transaction.

    Entries about orders we do not know are passed over: offers that were forgotten. So are
    entries that contradict an earlier one; they are counted.
    """
    ended: list[Ended] = []
    contradictions = 0
    heard, balance = _REPORTED.one(connection, {"broker_id": broker})
    for entry in entries:
        event = _EVENTS[entry.event]
        found = _STATE_OF.row(connection, {"name": entry.order, "broker_id": broker})
        if found is None:
            continue
        before, price = OrderState(found[0]), int(found[1])
        try:
            reached = step(ORDER, before, event)
        except WrongOrderState:
            # One that was heard before is only late: the order may have gone on since.
            contradictions += entry.sequence > heard
            continue
        if reached is not before:
            _ENDED.run(connection, {"name": entry.order, "reached": reached.value, "at": entry.at})
            if ended_order is not None:
                ended_order(connection, entry.order, entry.event != "refunded")
            gained = _gained(before, reached, price, price - entry.fee)
            ended.append(Ended(entry.order, entry.event, gained))
    last = max((entry.sequence for entry in entries), default=heard)
    # A report that is sent again late must not bring an old balance back.
    if last >= heard and (last, funds) != (heard, balance):
        _BALANCE.run(connection, {"broker_id": broker, "funds": funds, "sequence": last})
    return ReportOutcome(_running_totals(ended, funds), contradictions)


def _gained(before: OrderState, after: OrderState, price: int, kept: int) -> int:
    """The change of our funds by an order's end, less the broker's fee.

    A refund after settlement is taken from us in full.
    """
    if after is OrderState.SETTLED:
        return kept
    return -price if before is OrderState.SETTLED else 0


def _running_totals(ended: list[Ended], funds: int) -> tuple[Ended, ...]:
    """Replace what each order gained by the funds after it, reckoned back from the last."""
    totals = []
    for order in reversed(ended):
        totals.append(replace(order, funds=funds))
        funds -= order.funds
    return tuple(reversed(totals))


def expire_unpaid(connection: Connection, now: int) -> tuple[bytes, ...]:
    """Transaction: offers whose time to pay is over, by our clock; the orders' names."""
    names = tuple(connection.execute(_WAITING, {"now": now}).scalars())
    if names:
        connection.execute(_EXPIRE, {"now": now, "later": now + FORGET_UNPAID_SECONDS})
    return names


def forget_expired(connection: Connection, now: int) -> int:
    """Transaction: delete some offers that nobody can have paid for, a day later; how many."""
    return connection.execute(_FORGET, {"now": now}).rowcount


@dataclass(frozen=True)
class SalesLine:
    """Orders of one product in one state: how many and their prices' sum (minor units)."""

    product: bytes
    shelf: int
    state: str
    count: int
    amount: int


def load_sales(connection: Connection) -> tuple[SalesLine, ...]:
    """Transaction: by shelf, product and state."""
    return tuple(SalesLine(*row) for row in connection.execute(_SALES))
