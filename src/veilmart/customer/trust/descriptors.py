"""Checking broker and merchant descriptors against the wallet's pins.

All checks come before a password is sent. A fingerprint is pinned by a link or by the person's yes;
after that only a descriptor of the same identity, on the same chain, is accepted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection

from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.trust.anonymous_pins import forget_catalogue
from veilmart.customer.trust.pins import (
    PinnedBroker,
    PinnedMerchant,
    broker_at,
    broker_named,
    current_broker,
    pin_broker,
    pin_merchant,
    pinned_merchant,
)
from veilmart.customer.trust.proofs import (
    check_not_stopped,
    descriptor_proof,
    keep_proof,
    settle_proofs,
    stopped,
)
from veilmart.customer.trust.seen_descriptors import (
    SeenDescriptor,
    View,
    forget_seen,
    keep_seen,
    newest_seen,
    seen_of,
)
from veilmart.customer.trust.two_views import DescriptorSource, check_token_list, check_views
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    BrokerUnreachable,
    DescriptorForked,
    FingerprintChanged,
    NotInitialised,
    NotPinned,
    ViewsForked,
)
from veilmart.limits import CONNECT_SECONDS, PROXY_CONNECT_SECONDS
from veilmart.protocol.address import Link, parse_link
from veilmart.protocol.descriptor import (
    SignedDescriptor,
    check_descriptor,
    read_descriptor,
)
from veilmart.transport.broker_channel import BrokerDescriptors
from veilmart.transport.port import Client, OpenClient

Role = Literal["broker", "merchant"]
Approve = Callable[[Role, SignedDescriptor], bool]


def refuse(role: Role, fresh: SignedDescriptor) -> bool:
    """Approve no fingerprint: for programs without a person who compares them."""
    return False


def http_client(wallet: Wallet, url: str, open_client: OpenClient | None = None) -> Client:
    """A client for a broker's URL (http://host:port), through the wallet's proxy if it has one.

    Every client has separate credentials at the proxy, and hence a separate circuit. open_client:
    another way than HTTP.
    """
    address = url.removeprefix("http://").rstrip("/")
    if open_client is not None:
        return open_client(address, BrokerUnreachable)
    proxy = wallet.proxy
    from veilmart.transport.stream_client import StreamClient  # only who asks somebody needs it

    return StreamClient(
        address,
        BrokerUnreachable,
        connect_seconds=CONNECT_SECONDS if proxy is None else PROXY_CONNECT_SECONDS,
        proxy=None if proxy is None else proxy.isolated(),
    )


async def trusted_broker(
    wallet: Wallet,
    http: Client,
    url: str,
    expected: bytes | None,
    approve: Approve,
    *,
    merchant: bytes | None = None,
    anonymous: bool = False,
    despite_proofs: bool = False,
) -> SignedDescriptor:
    """The broker's descriptor, checked against the pin and both views, and pinned if new.

    expected, merchant: the fingerprints in a link (32 bytes), or None; the merchant is pinned too.
    anonymous: whose view it is; what is asked for is the same for everybody then. Raises NotPinned,
    FingerprintChanged, DescriptorExpired, ViewsForked (while a proof stops business with the broker
    too, unless `despite_proofs`), TokenKeysForked, UnsignedAnswer; for an account SerialLower and
    DescriptorForked too.
    """
    source = BrokerDescriptors(http)
    signed = await source.newest()
    memory = await wallet.database.run(_known_broker, url, expected, merchant, anonymous=anonymous)
    pin, now = memory.pin, wallet.clock()
    known = None if memory.newest is None else read_descriptor(memory.newest)
    fingerprint = pin.fingerprint if pin is not None else expected
    fresh = await _check(wallet, signed, "broker", fingerprint, known)
    if fingerprint is None and not approve("broker", fresh):
        raise NotPinned(format_fingerprint(fresh.fingerprint))
    await check_token_list(wallet, fresh)
    if known is None or known.hash != fresh.hash:
        view: View = "anonymous" if anonymous else "account"
        await check_views(wallet, view, fresh, source, memory.seen)
        if not anonymous or pin is None:
            own = PinnedBroker(fresh.fingerprint, url, fresh.signed)
            await wallet.database.run(pin_broker, own, now)
    if memory.stopped is not None and not despite_proofs:
        raise memory.stopped
    if merchant is not None and not memory.merchant_pinned:
        pinned = PinnedMerchant(fresh.fingerprint, merchant, None)
        await wallet.database.run(pin_merchant, pinned, now)
    return fresh


@dataclass(frozen=True)
class _BrokerMemory:
    """What the wallet knows of a broker. newest: the signed descriptor that the account saw last.

    stopped: what is raised while a proof stops business with it.
    """

    pin: PinnedBroker | None
    newest: bytes | None = field(default=None, repr=False)
    seen: list[SeenDescriptor] = field(default_factory=list)
    stopped: ViewsForked | None = None
    merchant_pinned: bool = False


def _known_broker(
    connection: Connection,
    url: str,
    expected: bytes | None,
    merchant: bytes | None,
    *,
    anonymous: bool,
) -> _BrokerMemory:
    """One transaction: all that is known of the broker, and whether the merchant is pinned.

    Anonymous connections start without what the account saw. Raises FingerprintChanged.
    """
    pin = broker_at(connection, url)
    if pin is not None and expected is not None and pin.fingerprint != expected:
        raise FingerprintChanged("The link names another broker than the one pinned here.")
    if pin is None and expected is not None:
        # The same broker under another address: what was seen before still counts.
        pin = broker_named(connection, expected)
    party = pin.fingerprint if pin is not None else expected
    if party is None:
        return _BrokerMemory(pin)
    pinned = merchant is not None and pinned_merchant(connection, party, merchant) is not None
    return _BrokerMemory(
        pin,
        None if anonymous else newest_seen(connection, "account", party),
        seen_of(connection, party),
        stopped(connection, party),
        pinned,
    )


async def _check(
    wallet: Wallet,
    signed: bytes,
    role: Role,
    fingerprint: bytes | None,
    known: SignedDescriptor | None,
) -> SignedDescriptor:
    """`check_descriptor`; an unknown fingerprint is taken from the descriptor, to be shown.

    Two descriptors that contradict each other are kept as proof.
    """
    if fingerprint is None:
        fingerprint = read_descriptor(signed).fingerprint
    now = wallet.clock()
    try:
        return check_descriptor(signed, role=role, fingerprint=fingerprint, now=now, known=known)
    except DescriptorForked:
        proof = descriptor_proof(read_descriptor(signed), known)
        await wallet.database.run(keep_proof, fingerprint, proof, now)
        raise


async def accept_merchant(
    wallet: Wallet,
    broker: bytes,
    merchant: bytes,
    source: DescriptorSource,
    *,
    anonymous: bool = False,
) -> SignedDescriptor:
    """Fetch a pinned merchant's newest descriptor and check it against the pin and all that was
    seen. Raises NotPinned, and ViewsForked while a proof stops business with it, before it asks.
    """
    before, seen = await wallet.database.run(_known_merchant, broker, merchant, anonymous=anonymous)
    signed = await source.newest()
    known = None if before is None else read_descriptor(before)
    fresh = await _check(wallet, signed, "merchant", merchant, known)
    if known is not None and known.hash == fresh.hash:
        return fresh
    view: View = "anonymous" if anonymous else "account"
    await check_views(wallet, view, fresh, source, seen)
    if not anonymous:
        await wallet.database.run(
            pin_merchant, PinnedMerchant(broker, merchant, fresh.signed), wallet.clock()
        )
    return fresh


def _known_merchant(
    connection: Connection, broker: bytes, merchant: bytes, *, anonymous: bool
) -> tuple[bytes | None, list[SeenDescriptor]]:
    """One transaction: the signed descriptor that the account saw last, and all that was seen.

    Anonymous connections start without the first. Raises NotPinned, ViewsForked.
    """
    if pinned_merchant(connection, broker, merchant) is None:
        raise NotPinned("The merchant's.")
    check_not_stopped(connection, merchant)
    newest = None if anonymous else newest_seen(connection, "account", merchant)
    return newest, seen_of(connection, merchant)


async def replace_broker(wallet: Wallet, url: str, fresh: SignedDescriptor) -> None:
    """Pin a new descriptor for this URL in place of any other; a new login is needed."""
    now = wallet.clock()
    await wallet.database.run(pin_broker, PinnedBroker(fresh.fingerprint, url, fresh.signed), now)
    await wallet.database.run(forget_seen, fresh.fingerprint)
    await wallet.database.run(keep_seen, "account", [fresh])
    await wallet.database.run(settle_proofs, fresh.fingerprint)


async def replace_merchant(wallet: Wallet, broker: bytes, fresh: SignedDescriptor) -> None:
    """Trust a merchant's descriptor although it does not follow the newest one seen."""
    pin = PinnedMerchant(broker, fresh.fingerprint, fresh.signed)
    await wallet.database.run(pin_merchant, pin, wallet.clock())
    await wallet.database.run(forget_catalogue, fresh.fingerprint)
    await wallet.database.run(forget_seen, fresh.fingerprint)
    await wallet.database.run(keep_seen, "account", [fresh])
    await wallet.database.run(settle_proofs, fresh.fingerprint)


async def resolve(wallet: Wallet, address: str | Link | None) -> Link:
    """A link, from a link or URL, or the broker used last. Raises BadLink, NotInitialised."""
    if isinstance(address, Link):
        return address
    if address is not None:
        return parse_link(address)
    pin = await wallet.database.run(current_broker)
    if pin is None:
        raise NotInitialised
    return parse_link(pin.url)
