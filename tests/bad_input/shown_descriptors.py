"""Descriptors that a broker or a merchant shows on the wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from tests.support.roles import Roles
from tests.support.tampering_proxy import Forward, HttpMessage
from veilmart.broker.effects import Answer
from veilmart.broker.server.dispatch import RULES
from veilmart.crypto.identity import IdentityKey, public_spki
from veilmart.protocol.customer_messages import GetMerchant, MerchantDescriptor
from veilmart.protocol.descriptor import SignedDescriptor, sign_descriptor


def signed_again(known: SignedDescriptor, key: IdentityKey, **changes: Any) -> bytes:
    """The descriptor with changes, under a true signature of `key`."""
    fields = {"identity": public_spki(key), **changes}
    return sign_descriptor(msgspec.structs.replace(known.descriptor, **fields), key)


@contextmanager
def broker_shows(roles: Roles, signed: bytes) -> Iterator[list[str]]:
    """Somebody before the broker shows this descriptor; yields the paths that were asked."""
    asked: list[str] = []

    async def handler(request: HttpMessage, forward: Forward) -> HttpMessage:
        asked.append(request.path)
        answer = await forward(request)
        return answer.with_body(signed) if request.path == "/v1/descriptor" else answer

    roles.outside.handler = handler
    try:
        yield asked
    finally:
        roles.outside.reset()


@contextmanager
def merchant_shows(patch: pytest.MonkeyPatch, signed: bytes) -> Iterator[None]:
    """The broker passes on this descriptor as the merchant's newest, and the true older ones."""
    rules: dict[Any, Any] = RULES
    honest = rules[GetMerchant]

    def rule(state: Any, session: Any, request: GetMerchant) -> Any:
        if request.serial:
            return (yield from honest(state, session, request))
        return Answer(MerchantDescriptor(signed=signed))

    with patch.context() as scope:
        scope.setitem(rules, GetMerchant, rule)
        yield
