"""Setting up a merchant: fetch the broker's descriptor, have its fingerprint confirmed, pin it."""

from collections.abc import Callable
from pathlib import Path

from veilmart.errors import AlreadyInitialised, BrokerUnreachable, Declined
from veilmart.merchant.home import IDENTITY_FILE, create_merchant
from veilmart.protocol.address import Link
from veilmart.protocol.descriptor import (
    SignedDescriptor,
    check_descriptor,
    read_descriptor,
)
from veilmart.storage.files.home import Home
from veilmart.transport.broker_channel import BrokerDescriptors
from veilmart.transport.stream_client import StreamClient

Confirm = Callable[[SignedDescriptor], bool]
"""Shows a person the fingerprint of a broker that no link named; True to go on."""


async def fetch_broker(link: Link, now: int) -> SignedDescriptor:
    """The broker's descriptor, checked against the link's fingerprint if it names one.

    Raises BrokerUnreachable, FingerprintChanged, DescriptorExpired and what parsing raises.
    """
    address = link.url.removeprefix("http://")
    async with StreamClient(address, BrokerUnreachable) as client:
        signed = await BrokerDescriptors(client).newest()
    pinned = link.broker or read_descriptor(signed).fingerprint
    return check_descriptor(signed, role="broker", fingerprint=pinned, now=now, known=None)


async def init_merchant(
    path: Path,
    link: Link,
    name: str,
    now: int,
    confirm: Confirm,
    *,
    database: str | None = None,
    store: str | None = None,
) -> bytes:
    """Use case: our new fingerprint (32 bytes). Nothing is made before the broker is confirmed.

    Raises AlreadyInitialised, Declined and what `fetch_broker` and `create_merchant` raise.
    """
    if (path / IDENTITY_FILE).exists():
        raise AlreadyInitialised(str(Home(path).path))
    broker = await fetch_broker(link, now)
    if link.broker is None and not confirm(broker):
        raise Declined("The broker's fingerprint was not confirmed.")
    return create_merchant(path, name, link.url, broker, database=database, store=store)
