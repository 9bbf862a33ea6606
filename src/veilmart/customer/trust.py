"""Whom to believe: broker and merchant descriptors against the wallet's pins.

Everything here stops before a password is sent. A fingerprint is pinned by a link or by the
person's yes; after that only a descriptor of the same identity, on the same chain, is accepted.
"""

from collections.abc import Callable
from typing import Literal

from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.pins import (
    PinnedBroker,
    PinnedMerchant,
    broker_at,
    broker_named,
    drop_catalogue,
    pin_broker,
    pin_merchant,
    pinned_merchant,
)
from veilmart.customer.wallet import Wallet
from veilmart.errors import BrokerUnreachable, FingerprintChanged, NotPinned
from veilmart.limits import DESCRIPTOR_MAX_BYTES
from veilmart.protocol.descriptor import (
    SIGNATURE_BYTES,
    SignedDescriptor,
    check_descriptor,
    read_descriptor,
)
from veilmart.transport.client import HttpClient
from veilmart.transport.port import Client, OpenClient

SIGNED_MAX_BYTES = DESCRIPTOR_MAX_BYTES + SIGNATURE_BYTES

Role = Literal["broker", "merchant"]
Approve = Callable[[Role, SignedDescriptor], bool]


def refuse(role: Role, fresh: SignedDescriptor) -> bool:
    """Approves nobody: for programs, where there is no person to compare fingerprints."""
    return False


def http_client(url: str, open_client: OpenClient = HttpClient) -> Client:
    """A client for a broker's URL (http://host:port)."""
    return open_client(url.removeprefix("http://").rstrip("/"), BrokerUnreachable)


async def fetch_broker(http: Client) -> bytes:
    """The broker's signed descriptor, unchecked."""
    return await http.get("/v1/descriptor", max_bytes=SIGNED_MAX_BYTES)


async def trusted_broker(
    wallet: Wallet, http: Client, url: str, expected: bytes | None, approve: Approve
) -> SignedDescriptor:
    """The broker's descriptor, checked against the pin and pinned if new.

    expected: the fingerprint in a link (32 bytes), or None. Raises NotPinned, FingerprintChanged,
    DescriptorExpired, SerialLower, DescriptorForked.
    """
    signed = await fetch_broker(http)
    pin = await wallet.database.run(broker_at, url)
    if pin is not None and expected is not None and pin.fingerprint != expected:
        raise FingerprintChanged("The link names another broker than the one pinned here.")
    fingerprint = pin.fingerprint if pin is not None else expected
    if pin is None and expected is not None:
        # The same broker under another address: what was seen before still counts.
        pin = await wallet.database.run(broker_named, expected)
    known = None if pin is None else read_descriptor(pin.descriptor)
    fresh = _check(wallet, signed, "broker", fingerprint, known)
    if fingerprint is None and not approve("broker", fresh):
        raise NotPinned(format_fingerprint(fresh.fingerprint))
    if known is None or known.hash != fresh.hash:
        await wallet.database.run(
            pin_broker, PinnedBroker(fresh.fingerprint, url, fresh.signed), wallet.clock()
        )
    return fresh


def _check(
    wallet: Wallet,
    signed: bytes,
    role: Role,
    fingerprint: bytes | None,
    known: SignedDescriptor | None,
) -> SignedDescriptor:
    """`check_descriptor`; an unknown fingerprint is taken from the descriptor, to be shown."""
    if fingerprint is None:
        fingerprint = read_descriptor(signed).fingerprint
    return check_descriptor(
        signed, role=role, fingerprint=fingerprint, now=wallet.clock(), known=known
    )


async def accept_merchant(
    wallet: Wallet, broker: bytes, merchant: bytes, signed: bytes
) -> SignedDescriptor:
    """Check a merchant's descriptor against the fingerprint asked for and the newest one seen."""
    pin = await wallet.database.run(pinned_merchant, broker, merchant)
    known = None
    if pin is not None and pin.descriptor is not None:
        known = read_descriptor(pin.descriptor)
    fresh = _check(wallet, signed, "merchant", merchant, known)
    if known is None or known.hash != fresh.hash:
        await wallet.database.run(
            pin_merchant, PinnedMerchant(broker, merchant, fresh.signed), wallet.clock()
        )
    return fresh


async def replace_broker(wallet: Wallet, url: str, fresh: SignedDescriptor) -> None:
    """Trust what was shown, whatever was pinned for this URL; its login has to be made anew."""
    now = wallet.clock()
    await wallet.database.run(pin_broker, PinnedBroker(fresh.fingerprint, url, fresh.signed), now)


async def replace_merchant(wallet: Wallet, broker: bytes, fresh: SignedDescriptor) -> None:
    """Trust a merchant's descriptor although it does not follow the newest one seen."""
    pin = PinnedMerchant(broker, fresh.fingerprint, fresh.signed)
    await wallet.database.run(pin_merchant, pin, wallet.clock())
    await wallet.database.run(drop_catalogue, fresh.fingerprint)
