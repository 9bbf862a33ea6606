"""The proxy that every connection of a wallet uses: transactions and parsing."""

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.schema.token_tables import network
from veilmart.transport.socks import SocksProxy, parse_proxy

DIRECT = "none"
_ONLY = 1


def stored_proxy(connection: Connection) -> SocksProxy | None:
    """The proxy set with `customer proxy`."""
    found = connection.execute(select(network.c.proxy)).scalar_one_or_none()
    return None if found is None else parse_proxy(found)


def save_proxy(connection: Connection, proxy: SocksProxy | None) -> None:
    connection.execute(delete(network))
    if proxy is not None:
        connection.execute(insert(network).values(id=_ONLY, proxy=str(proxy)))


def read_proxy(text: str) -> SocksProxy | None:
    """A proxy, or None for "none". Raises BadArgument."""
    return None if text.strip() == DIRECT else parse_proxy(text)
