"""All-zero and out-of-range Diffie-Hellman values in every message of the three handshakes.

A broker or merchant that is sent one says so; a customer or broker that gets one stops before
anything secret has gone out.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.support.roles import PASSWORD, Roles, preferring, told
from tests.support.tampering_proxy import Forward, HttpMessage
from veilmart.broker.events import MerchantAuthenticated
from veilmart.broker.relay.links import LinkPool
from veilmart.crypto.diffie_hellman import ffdhe3072_prime
from veilmart.crypto.suite import Suite, all_suites
from veilmart.errors import BadPublicValue, MerchantUnreachable
from veilmart.protocol.link_messages import TunnelOpen

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO_BYTES = 33  # suite ‖ descriptor hash or fingerprint, before message 1
SESSION_ID_BYTES = 16  # before message 2
X25519_PRIME = 2**255 - 19
PRIME = ffdhe3072_prime()
LOW_ORDER = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"


def big(number: int) -> bytes:
    return number.to_bytes(384, "big")


VALUES: dict[int, dict[str, bytes]] = {
    1: {
        "all-zero": bytes(32),
        "low-order": bytes.fromhex(LOW_ORDER),
        "p-1": (X25519_PRIME - 1).to_bytes(32, "little"),
    },
    2: {
        "all-zero": big(0),
        "one": big(1),
        "p-1": big(PRIME - 1),
        "p": big(PRIME),
        "all-ones": b"\xff" * 384,
        "non-residue": big(PRIME - 4),
    },
}
CASES = [
    pytest.param(suite, value, message, id=f"{message}-{name}-{suite.name}")
    for suite in all_suites()
    for name, value in VALUES[suite.id].items()
    for message in ("message-1", "message-2")
]
every_value = pytest.mark.parametrize(("suite", "value", "message"), CASES)


def put(value: bytes, data: bytes, start: int) -> bytes:
    """`value` in the place of the ephemeral that begins at `start`."""
    return data[:start] + value + data[start + len(value) :]


def handshake_with(path: str, value: bytes, message: str, answer_start: int) -> Callable[..., Any]:
    """A handler that replaces the ephemeral in the first or second message of a handshake."""

    async def handler(request: HttpMessage, forward: Forward) -> HttpMessage:
        if request.path != path:
            return await forward(request)
        if message == "message-1":
            return await forward(request.with_body(put(value, request.body, HELLO_BYTES)))
        answer = await forward(request)
        return answer.with_body(put(value, answer.body, answer_start))

    return handler


@every_value
async def test_dh_value_between_customer_and_broker(
    shared: Roles, suite: Suite, value: bytes, message: str
) -> None:
    shopper = await shared.connect("nobody", suite=suite)
    asked: list[str] = []
    tampering = handshake_with("/v1/session", value, message, SESSION_ID_BYTES)

    async def handler(request: HttpMessage, forward: Forward) -> HttpMessage:
        asked.append(request.path)
        answer: HttpMessage = await tampering(request, forward)
        return answer

    shared.outside.handler = handler
    with pytest.raises(BadPublicValue) as refused:
        await shopper.account.login("nobody", PASSWORD)
    shared.outside.reset()
    told(refused.value, code=2105)
    assert asked == ["/v1/session"], "the password stays at home"


@every_value
async def test_dh_value_between_broker_and_merchant(
    shared: Roles, suite: Suite, value: bytes, message: str
) -> None:
    shopper = await shared.connect("nobody")
    tampering = handshake_with("/v1/link", value, message, 0)
    asked: list[str] = []

    async def handler(request: HttpMessage, forward: Forward) -> HttpMessage:
        asked.append(request.path)
        assert request.body[0] == suite.id
        answer: HttpMessage = await tampering(request, forward)
        return answer

    shared.broker_told.clear()
    shared.inside.handler = handler
    shared.renew_link()
    with (
        preferring(suite),
        pytest.raises((BadPublicValue, MerchantUnreachable)) as refused,
    ):
        await shopper.browse(shared.merchant_print)
    shared.inside.reset()
    told(refused.value, code=refused.value.code)
    assert set(asked) == {"/v1/link"}, "the broker's proof stays at home"
    assert not [told for told in shared.broker_told if isinstance(told, MerchantAuthenticated)]
    assert (await shopper.browse(shared.merchant_print)).products


@every_value
async def test_dh_value_between_customer_and_merchant(
    shared: Roles, monkeypatch: pytest.MonkeyPatch, suite: Suite, value: bytes, message: str
) -> None:
    """Put there by the broker, who carries the handshake."""
    shopper = await shared.connect("nobody", suite=suite)
    honest = LinkPool.ask

    async def ask(pool: LinkPool, merchant: bytes, request: Any, kind: Any) -> Any:
        if not isinstance(request, TunnelOpen):
            return await honest(pool, merchant, request, kind)
        if message == "message-1":
            changed = put(value, request.message, 0)
            return await honest(
                pool, merchant, msgspec.structs.replace(request, message=changed), kind
            )
        answer, attachment = await honest(pool, merchant, request, kind)
        changed = put(value, answer.message, 0)
        return msgspec.structs.replace(answer, message=changed), attachment

    with monkeypatch.context() as patch:
        patch.setattr(LinkPool, "ask", ask)
        with pytest.raises(BadPublicValue) as refused:
            await shopper.browse(shared.merchant_print)
    told(refused.value, code=2105)
