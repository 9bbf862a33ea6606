"""A broker that swaps keys in the middle is caught, in both suites.

The broker carries the customer's handshake with the merchant, so it is the one who could try. Its
ways are: its own tunnel key in the merchant's descriptor (with the merchant's old signature, with
its own signature, or as a merchant of its own making), and ending the tunnel itself under its own
key while it shows the true descriptor. Somebody between customer and broker, or between broker
and merchant, has the same ways there.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from tests.bad_input.shown_descriptors import broker_shows, merchant_shows, signed_again
from tests.support.roles import CREDIT, PASSWORD, Roles, preferring, told
from tests.support.tampering_proxy import Forward, HttpMessage
from veilmart.broker.events import MerchantAuthenticated
from veilmart.broker.relay.links import LinkPool
from veilmart.crypto.diffie_hellman import KeyPair
from veilmart.crypto.identity import IdentityKey, generate_identity
from veilmart.crypto.suite import Suite, all_suites
from veilmart.customer.wallet.orders import all_orders
from veilmart.errors import (
    FingerprintChanged,
    HandshakeFailed,
    MerchantUnreachable,
    SignatureInvalid,
)
from veilmart.protocol import labels
from veilmart.protocol.descriptor import (
    SIGNATURE_BYTES,
    SignedDescriptor,
    TunnelKey,
    read_descriptor,
)
from veilmart.protocol.encoding import encode
from veilmart.protocol.handshake import CertifiedInitiator, answer_certified, prologue
from veilmart.protocol.link import answer_link
from veilmart.protocol.link_messages import TunnelOpen, TunnelOpened

pytestmark = pytest.mark.asyncio(loop_scope="module")
in_both_suites = pytest.mark.parametrize("suite", all_suites(), ids=lambda suite: suite.name)


@pytest.fixture(scope="module")
def attacker() -> IdentityKey:
    return generate_identity()


def tunnel_pair(suite: Suite) -> KeyPair:
    return suite.dh.generate(os.urandom)


def with_own_key(known: SignedDescriptor, suite: Suite, pair: KeyPair) -> list[TunnelKey]:
    """The descriptor's tunnel keys with the attacker's in the place of the suite's."""
    return [
        TunnelKey(suite=key.suite, public=pair.public) if key.suite == suite.id else key
        for key in known.descriptor.tunnel_keys
    ]


def under_the_old_signature(known: SignedDescriptor, suite: Suite, pair: KeyPair) -> bytes:
    keys = with_own_key(known, suite, pair)
    body = encode(msgspec.structs.replace(known.descriptor, tunnel_keys=keys))
    return known.signed[:SIGNATURE_BYTES] + body


@contextmanager
def terminating_broker(
    patch: pytest.MonkeyPatch, suite: Suite, pair: KeyPair
) -> Iterator[list[bytes]]:
    """A broker that answers the tunnel's handshake itself; yields what it managed to open."""
    opened: list[bytes] = []
    honest = LinkPool.ask

    async def ask(pool: LinkPool, merchant: bytes, message: Any, kind: Any) -> Any:
        if not isinstance(message, TunnelOpen):
            return await honest(pool, merchant, message, kind)
        bound = prologue(
            labels.PROLOGUE_CUSTOMER_MERCHANT, suite, message.descriptor, message.request_number
        )
        number = message.request_number
        answer, keys = answer_certified(suite, bound, pair, number, message.message, os.urandom)
        opened.append(keys.handshake_hash)
        return TunnelOpened(message=answer, serial=1), b""

    with patch.context() as scope:
        scope.setattr(LinkPool, "ask", ask)
        yield opened


async def merchant_of(roles: Roles) -> SignedDescriptor:
    shopper = await roles.connect("looker")
    return read_descriptor(await shopper.descriptors_of(roles.merchant_print).newest())


async def nothing_happened(roles: Roles, name: str) -> None:
    assert await roles.balance(name) == CREDIT
    assert not await roles.wallet(name).database.run(all_orders)


@in_both_suites
async def test_broker_swaps_the_key_in_the_merchants_descriptor(
    shared: Roles, monkeypatch: pytest.MonkeyPatch, suite: Suite, attacker: IdentityKey
) -> None:
    known, pair = await merchant_of(shared), tunnel_pair(suite)
    name = f"descriptor {suite.id}"
    shopper = await shared.customer(name, suite=suite)
    changed = under_the_old_signature(known, suite, pair)
    with merchant_shows(monkeypatch, changed), pytest.raises(SignatureInvalid) as broken:
        await shopper.browse(shared.merchant_print)
    told(broken.value, code=2106)
    own = signed_again(known, attacker, tunnel_keys=with_own_key(known, suite, pair))
    with merchant_shows(monkeypatch, own), pytest.raises(FingerprintChanged) as changed_print:
        await shopper.browse(shared.merchant_print)
    told(changed_print.value, code=6101)
    await nothing_happened(shared, name)


@in_both_suites
async def test_broker_terminates_the_tunnel_itself(
    shared: Roles, monkeypatch: pytest.MonkeyPatch, suite: Suite
) -> None:
    name = f"tunnel {suite.id}"
    shopper = await shared.customer(name, suite=suite)
    with (
        terminating_broker(monkeypatch, suite, tunnel_pair(suite)) as opened,
        pytest.raises(HandshakeFailed) as caught,
    ):
        await shopper.browse(shared.merchant_print)
    told(caught.value, code=2104)
    assert not opened, "without the merchant's key not even the challenge opens"
    await nothing_happened(shared, name)


@in_both_suites
async def test_broker_that_swaps_the_key_would_be_in_the_middle_if_nobody_looked(
    shared: Roles, monkeypatch: pytest.MonkeyPatch, suite: Suite, attacker: IdentityKey
) -> None:
    """The control: the same attack succeeds against a wallet that pinned the attacker's print."""
    known, pair = await merchant_of(shared), tunnel_pair(suite)
    own = signed_again(known, attacker, tunnel_keys=with_own_key(known, suite, pair))
    fooled = read_descriptor(own)
    shopper = await shared.customer(f"fooled {suite.id}", suite=suite)
    with (
        merchant_shows(monkeypatch, own),
        terminating_broker(monkeypatch, suite, pair) as opened,
    ):
        await shopper.pin_merchant(fooled.fingerprint)
        view = shared.links[-1]._state.merchants
        with monkeypatch.context() as scope:
            scope.setattr(type(view), "admitted", lambda *_: view.all()[0])
            with pytest.raises(MerchantUnreachable):
                await shopper.browse(fooled.fingerprint)
    assert opened, "the attacker has the session's keys"


@in_both_suites
async def test_keys_swapped_between_customer_and_broker(
    shared: Roles, suite: Suite, attacker: IdentityKey
) -> None:
    """Somebody who ends the customer's session never gets to see a password."""
    name = f"session {suite.id}"
    await shared.customer(name)
    shopper = await shared.connect(name, suite=suite)
    known, pair = shopper.broker, tunnel_pair(suite)
    changed = under_the_old_signature(known, suite, pair)
    with broker_shows(shared, changed), pytest.raises(SignatureInvalid):
        await shared.connect(name)
    own = signed_again(known, attacker, tunnel_keys=with_own_key(known, suite, pair))
    with broker_shows(shared, own), pytest.raises(FingerprintChanged):
        await shared.connect(name)
    asked: list[str] = []

    async def terminate(request: HttpMessage, forward: Forward) -> HttpMessage:
        asked.append(request.path)
        answer = await forward(request)
        bound = prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, known.hash)
        # The customer's first message cannot be opened without the broker's key: the attacker
        # can only answer one of its own.
        hello = CertifiedInitiator(suite, bound, pair.public, os.urandom).message1
        message2, _ = answer_certified(suite, bound, pair, bytes(16), hello, os.urandom)
        return answer.with_body(bytes(16) + message2)

    shared.outside.handler = terminate
    with pytest.raises(HandshakeFailed) as caught:
        await shopper.account.login(name, PASSWORD)
    shared.outside.reset()
    told(caught.value, code=2104)
    assert asked == ["/v1/session"], "the password stays at home"


@in_both_suites
async def test_keys_swapped_between_broker_and_merchant(
    shared: Roles, suite: Suite, attacker: IdentityKey
) -> None:
    """Somebody who ends the link under an RSA key of its own is no merchant."""
    shopper = await shared.connect("nobody")

    async def terminate(request: HttpMessage, forward: Forward) -> HttpMessage:
        assert (request.path, request.body[0]) == ("/v1/link", suite.id)
        message2, _ = answer_link(
            suite,
            request.body[1:33],
            shared.merchant_print,
            attacker,
            bytes(16),
            request.body[33:],
            os.urandom,
        )
        return HttpMessage("HTTP/1.1 200 OK", (), message2)

    shared.broker_told.clear()
    shared.inside.handler = terminate
    shared.renew_link()
    with preferring(suite), pytest.raises(MerchantUnreachable) as caught:
        await shopper.browse(shared.merchant_print)
    shared.inside.reset()
    told(caught.value, code=3102)
    assert not [event for event in shared.broker_told if isinstance(event, MerchantAuthenticated)]
    assert (await shopper.browse(shared.merchant_print)).products
