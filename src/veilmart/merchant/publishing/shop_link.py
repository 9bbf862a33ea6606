"""The link that customers need."""

from sqlalchemy import Connection

from veilmart.merchant.goods.products import find_product, load_products
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.protocol.address import Link, parse_link


def shop_link(connection: Connection, merchant: bytes, product: str | None) -> Link:
    """Transaction: through the first pinned broker. Raises NoSuchProduct."""
    broker = load_brokers(connection)[0]
    place = parse_link(broker.url)
    found = None
    if product is not None:
        found = find_product(load_products(connection), product).id.hex()
    return Link(place.host, place.port, broker.fingerprint, merchant, found)
