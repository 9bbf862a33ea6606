"""Use case: refund an order (docs/protocol/12-disputes.md, 12.4)."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from veilmart.errors import NoSuchOrder
from veilmart.merchant.back_office.broker_session import ask_operator
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.schema.tables import orders, products
from veilmart.protocol import labels
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.dispute_messages import RefundOrder, RefundRequest
from veilmart.protocol.ports import Random
from veilmart.protocol.signed_requests import sign_request
from veilmart.transport.port import OpenClient
from veilmart.transport.stream_client import StreamClient

PREFIX_MIN = 4


@dataclass(frozen=True)
class RefundLine:
    """order: hexadecimal. state: before the refund; the broker's report changes it."""

    order: str
    title: str
    price: str
    state: str


@dataclass(frozen=True)
class Refundable:
    """order: 32 bytes. broker: number of the pinned one."""

    order: bytes
    broker: int
    line: RefundLine


def find_refundable(connection: Connection, prefix: str) -> Refundable:
    """Transaction: the order whose name begins with `prefix`.

    Raises NoSuchOrder unless exactly one does.
    """
    wanted = prefix.strip().lower()
    try:
        first, last = (bytes.fromhex(wanted.ljust(64, digit)) for digit in "0f")
    except ValueError:
        raise NoSuchOrder("An order's name has the digits 0 to f only.") from None
    query = (
        select(orders.c.order, orders.c.broker, products.c.title, orders.c.price, orders.c.state)
        .join(products, products.c.id == orders.c.product)
        .where(orders.c.order >= first, orders.c.order <= last)
        .limit(2)
    )
    found = connection.execute(query).all()
    if len(wanted) < PREFIX_MIN or len(found) != 1:
        raise NoSuchOrder("No order, or more than one, begins with that.")
    row, decimals = found[0], read_shop(connection).decimals
    order = bytes(row.order)
    line = RefundLine(order.hex(), row.title, format_amount(row.price, decimals), row.state)
    return Refundable(order, row.broker, line)


async def refund_order(
    market: MerchantHome,
    found: Refundable,
    now: int,
    random: Random,
    open_client: OpenClient = StreamClient,
) -> None:
    """Have the order's broker refund the whole amount. A repeated request changes nothing.

    Raises BrokerUnreachable, and what the broker refuses: InsufficientBalance, TooLateToRefund,
    WrongOrderState, OrderUnknown.
    """
    brokers = {broker.id: broker for broker in market.database.run_now(load_brokers)}
    broker = brokers[found.broker]
    request = RefundRequest(
        broker=broker.fingerprint, merchant=market.fingerprint, order=found.order, at=now
    )
    signed = sign_request(market.identity, labels.MERCHANT_REFUND, request)
    await ask_operator(broker, RefundOrder(signed=signed), now, random, open_client)
