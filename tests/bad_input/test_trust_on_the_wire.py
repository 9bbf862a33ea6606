"""Changed fingerprint, lower serial, expired descriptor, wrong suite, as they come over the wire.

Each of them stops everything before a password, a choice or money is sent.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.bad_input.shown_descriptors import broker_shows, merchant_shows, signed_again
from tests.support.roles import CREDIT, PASSWORD, Clock, Roles, told
from tests.support.tampering_proxy import Forward, HttpMessage
from veilmart.broker.relay.links import LinkPool
from veilmart.crypto.identity import IdentityKey, generate_identity
from veilmart.crypto.suite import suite_by_id
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.errors import (
    DescriptorExpired,
    FingerprintChanged,
    HandshakeFailed,
    MalformedMessage,
    MerchantUnreachable,
    PeerFault,
    SerialLower,
    TrustFailure,
    UnknownSuite,
)
from veilmart.limits import HANDSHAKE_MAX_BYTES
from veilmart.merchant.home import open_merchant
from veilmart.protocol.descriptor import (
    SignedDescriptor,
    check_descriptor,
    read_descriptor,
)
from veilmart.protocol.link_messages import TunnelOpen

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = 24 * 3600


@pytest.fixture(scope="module")
def stranger() -> IdentityKey:
    return generate_identity()


def signed_next(known: SignedDescriptor, key: IdentityKey) -> bytes:
    """A true successor of `known`: the next serial, chained to it."""
    return signed_again(known, key, serial=known.descriptor.serial + 1, previous=known.hash)


async def merchant_now(roles: Roles) -> tuple[SignedDescriptor, IdentityKey]:
    shopper = await roles.connect("looker")
    signed = await shopper.descriptors_of(roles.merchant_print).newest()
    with open_merchant(roles.merchant_home) as market:
        return read_descriptor(signed), market.identity


async def stopped(
    roles: Roles, name: str, kind: type[TrustFailure], code: int, asked: list[str]
) -> None:
    """Connecting fails with `kind`, and nothing but the descriptor was asked for."""
    asked.clear()
    with pytest.raises(kind) as refused:
        await roles.connect(name)
    told(refused.value, code=code)
    assert asked == ["/v1/descriptor"]


async def test_changed_fingerprint_of_the_broker(shared: Roles, stranger: IdentityKey) -> None:
    """For somebody who comes with a link, and for somebody who was there before."""
    await shared.customer("pinned")
    forged = signed_again(shared.wallet_broker("pinned"), stranger)
    with broker_shows(shared, forged) as asked:
        await stopped(shared, "pinned", FingerprintChanged, 6101, asked)
        await stopped(shared, "newcomer", FingerprintChanged, 6101, asked)
    assert (await (await shared.connect("pinned")).account.read()).balance == CREDIT


async def test_changed_fingerprint_of_the_merchant(
    shared: Roles, stranger: IdentityKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, _ = await merchant_now(shared)
    shopper = await shared.customer("visitor")
    forged = signed_again(known, stranger)
    with merchant_shows(monkeypatch, forged), pytest.raises(FingerprintChanged) as refused:
        await shopper.browse(shared.merchant_print)
    told(refused.value, code=6101)


async def test_lower_serial_of_the_broker(shared: Roles) -> None:
    await shared.customer("observant")
    known = shared.wallet_broker("observant")
    key = shared.opened.identity
    with broker_shows(shared, signed_next(known, key)):
        await (await shared.connect("observant")).aclose()
    with broker_shows(shared, known.signed) as asked:
        await stopped(shared, "observant", SerialLower, 6102, asked)


async def test_lower_serial_of_the_merchant(shared: Roles, monkeypatch: pytest.MonkeyPatch) -> None:
    known, key = await merchant_now(shared)
    await shared.customer("chronicler")
    with merchant_shows(monkeypatch, signed_next(known, key)):
        await (await shared.connect("chronicler")).merchant(shared.merchant_print)
    shopper = await shared.connect("chronicler")
    with pytest.raises(SerialLower) as refused:
        await shopper.merchant(shared.merchant_print)
    told(refused.value, code=6102)


@asynccontextmanager
async def later(roles: Roles, name: str) -> AsyncIterator[Shopper]:
    """Somebody new whose clock is eight days ahead of the market's."""
    wallet = open_wallet(roles.folder / name, Clock(8 * DAY), os.urandom)
    try:
        async with await connect(wallet, roles.link) as shopper:
            yield shopper
    finally:
        await wallet.aclose()


async def test_expired_descriptor_of_the_broker(shared: Roles) -> None:
    signed = shared.opened_descriptor().signed
    with broker_shows(shared, signed) as asked, pytest.raises(DescriptorExpired) as refused:
        async with later(shared, "late"):
            pytest.fail("An expired descriptor was accepted.")
    told(refused.value, code=6103)
    assert asked == ["/v1/descriptor"]


async def test_expired_descriptor_of_the_merchant(
    shared: Roles, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, key = await merchant_now(shared)
    now = shared.clock()
    over = signed_again(known, key, not_before=now - DAY, not_after=now - 1)
    shopper = await shared.customer("punctual")
    with merchant_shows(monkeypatch, over), pytest.raises(DescriptorExpired) as refused:
        await shopper.browse(shared.merchant_print)
    told(refused.value, code=6103)


async def test_the_clock_is_named_when_a_descriptor_is_not_valid_yet(shared: Roles) -> None:
    """Of a wallet two days behind, and of a descriptor that begins when no calendar goes on."""
    known, key = await merchant_now(shared)
    signed, now = shared.opened_descriptor().signed, shared.clock()
    own = read_descriptor(signed)
    with pytest.raises(DescriptorExpired, match=r"here the clock says .* UTC") as behind:
        check_descriptor(
            signed, role="broker", fingerprint=own.fingerprint, now=now - 2 * DAY, known=None
        )
    assert "Check this machine's clock" in behind.value.hint
    far = signed_again(known, key, not_before=2**52, not_after=2**52 + DAY)
    with pytest.raises(DescriptorExpired, match="from 9999-12-31"):
        check_descriptor(far, role="merchant", fingerprint=known.fingerprint, now=now, known=None)


# ---- wrong suite -----------------------------------------------------------------------------


async def test_wrong_suite_is_not_offered(shared: Roles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broker or merchant does not have the suite that the customer insists on."""
    known, key = await merchant_now(shared)
    broker = shared.opened_descriptor()
    only = [item for item in broker.descriptor.tunnel_keys if item.suite == 1]
    reduced = signed_again(broker, shared.opened.identity, tunnel_keys=only)
    wanted = suite_by_id(2)
    with broker_shows(shared, reduced):
        shopper = await shared.connect("insists", suite=wanted)
        with pytest.raises(UnknownSuite) as refused:
            await shopper.account.register("insists", PASSWORD)
    told(refused.value, code=2107)
    only = [item for item in known.descriptor.tunnel_keys if item.suite == 1]
    shopper = await shared.customer("insists too", suite=wanted)
    reduced = signed_again(known, key, tunnel_keys=only)
    with merchant_shows(monkeypatch, reduced), pytest.raises(UnknownSuite) as refused:
        await shopper.browse(shared.merchant_print)
    told(refused.value, code=2107)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(2, PeerFault), (9, UnknownSuite), (0, UnknownSuite)],
    ids=["downgrade", "unknown", "zero"],
)
async def test_wrong_suite_between_customer_and_broker(
    shared: Roles, number: int, kind: type[PeerFault]
) -> None:
    async def handler(request: HttpMessage, forward: Forward) -> HttpMessage:
        if request.path == "/v1/session":
            request = request.with_body(bytes([number]) + request.body[1:])
        return await forward(request)

    shopper = await shared.connect(f"suite {number}")
    shared.outside.handler = handler
    with pytest.raises(kind) as refused:
        await shopper.account.register("somebody", PASSWORD)
    shared.outside.reset()
    told(refused.value, code=refused.value.code)


@pytest.mark.parametrize("number", [2, 9, 0], ids=["downgrade", "unknown", "zero"])
async def test_wrong_suite_between_broker_and_merchant(shared: Roles, number: int) -> None:
    """No link comes of it; the next one, untouched, is made as ever."""
    shopper = await shared.customer(f"link suite {number}")

    async def handler(request: HttpMessage, forward: Forward) -> HttpMessage:
        if request.path == "/v1/link":
            request = request.with_body(bytes([number]) + request.body[1:])
        return await forward(request)

    shared.inside.handler = handler
    shared.renew_link()
    with pytest.raises((PeerFault, MerchantUnreachable)) as refused:
        await shopper.browse(shared.merchant_print)
    told(refused.value, code=refused.value.code)
    shared.inside.reset()
    assert (await shopper.browse(shared.merchant_print)).products


@pytest.mark.parametrize(
    ("number", "kinds"),
    [(2, (MalformedMessage, HandshakeFailed, PeerFault)), (9, (UnknownSuite,))],
    ids=["downgrade", "unknown"],
)
async def test_wrong_suite_between_customer_and_merchant(
    shared: Roles,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kinds: tuple[type[PeerFault], ...],
) -> None:
    """A broker that asks for another suite than the customer did."""
    shopper = await shared.customer(f"tunnel suite {number}")
    honest = LinkPool.ask

    async def ask(pool: LinkPool, merchant: bytes, message: Any, kind: Any) -> Any:
        if isinstance(message, TunnelOpen):
            message = msgspec.structs.replace(message, suite=number)
        return await honest(pool, merchant, message, kind)

    with monkeypatch.context() as patch:
        patch.setattr(LinkPool, "ask", ask)
        with pytest.raises(kinds) as refused:
            await shopper.browse(shared.merchant_print)
    told(refused.value, code=refused.value.code)


async def test_wrong_suite_in_a_strangers_hello(shared: Roles) -> None:
    """A program that is not ours asks for a suite that does not exist."""
    shopper = await shared.connect("stranger")
    hello = bytes([77]) + shopper.broker.hash + bytes(1300)
    with pytest.raises(UnknownSuite) as refused:
        await shopper.http.post("/v1/session", hello, max_bytes=HANDSHAKE_MAX_BYTES)
    told(refused.value, code=2107)
