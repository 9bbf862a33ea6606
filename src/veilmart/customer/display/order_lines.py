"""An order in a list: a plain struct, for JSON and for lines."""

from dataclasses import dataclass

from veilmart.customer.display.goods import FILE, LICENCE
from veilmart.customer.wallet.orders import Order, terms_of
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.descriptor import read_descriptor
from veilmart.storage.files.names import visible


@dataclass(frozen=True)
class OrderLine:
    """order, product: hexadecimal. times: Unix seconds. path: of a finished file.

    download: padded bytes.
    """

    order: str
    state: str
    title: str
    version: int
    price: str
    made_at: int
    product: str
    path: str | None
    kind: str
    download: int
    merchant: str


def order_line(order: Order) -> OrderLine:
    """Raises StoreDamaged."""
    decimals = read_descriptor(order.broker_descriptor).descriptor.decimals
    return OrderLine(
        order=order.order.hex(),
        state=order.state,
        title=visible(order.title),
        version=order.version,
        price=format_amount(terms_of(order).offer.price, decimals),
        made_at=order.made_at,
        product=order.product.hex(),
        path=order.file_path,
        kind=LICENCE if order.codes else FILE,
        download=terms_of(order).offer.size,
        merchant=visible(read_descriptor(order.merchant_descriptor).descriptor.name),
    )
