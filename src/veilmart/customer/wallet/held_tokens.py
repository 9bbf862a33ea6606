"""What lists ask about stored tokens. It needs none of their cryptography."""

from sqlalchemy import Connection, select

from veilmart.customer.schema.token_tables import tokens
from veilmart.customer.wallet.orders import Order, order_key, orders_in
from veilmart.protocol.wallet_states import WalletState


def has_tokens(connection: Connection) -> bool:
    """Whether the wallet ever had any."""
    return connection.execute(select(tokens.c.id).limit(1)).first() is not None


def orders_without_refund(connection: Connection) -> list[Order]:
    """Refunded orders that a token paid, and whose refund token is not here yet."""
    refunded = orders_in(connection, (WalletState.REFUNDED,))
    return [
        order
        for order in refunded
        if order.spend is not None and not _has_token_of(connection, order_key(order))
    ]


def _has_token_of(connection: Connection, key: bytes) -> bool:
    found = connection.execute(select(tokens.c.id).where(tokens.c.order_key == key).limit(1))
    return found.first() is not None
