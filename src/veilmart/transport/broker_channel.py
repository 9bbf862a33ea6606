"""The client's half of page 4: the broker's descriptors, the handshake, one sealed request.

Customers and merchants use the same code, so that an observer cannot tell their sessions apart.
"""

from dataclasses import dataclass
from typing import TypeVar

from veilmart.crypto.suite import Suite
from veilmart.errors import MONEY_UNCERTAIN, MalformedMessage, NetworkFailure
from veilmart.limits import (
    BODY_MAX_BYTES,
    CELL_BYTES,
    HANDSHAKE_MAX_BYTES,
    SIGNED_DESCRIPTOR_MAX_BYTES,
)
from veilmart.protocol import labels
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.handshake import (
    SESSION_ID_BYTES,
    CertifiedInitiator,
    SessionKeys,
    prologue,
)
from veilmart.protocol.ports import Random
from veilmart.protocol.tunnel import RECORD_OVERHEAD_BYTES, PendingRequest
from veilmart.transport.port import Client

K = TypeVar("K")


@dataclass(frozen=True)
class BrokerDescriptors:
    """A broker's signed descriptors, unchecked. Raises what `Client.get` raises."""

    http: Client

    async def newest(self) -> bytes:
        return await self.http.get("/v1/descriptor", max_bytes=SIGNED_DESCRIPTOR_MAX_BYTES)

    async def numbered(self, serial: int) -> bytes:
        """The descriptor with this serial, 1 or higher."""
        path = f"/v1/descriptor/{serial}"
        return await self.http.get(path, max_bytes=SIGNED_DESCRIPTOR_MAX_BYTES)


async def begin_session(
    http: Client, descriptor: SignedDescriptor, suite: Suite, random: Random
) -> SessionKeys:
    """The handshake with the tunnel key that the broker's checked descriptor certifies.

    Raises MalformedMessage, OpenFailed, DescriptorUnknown and what `Client.post` raises.
    """
    bound = prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, descriptor.hash)
    initiator = CertifiedInitiator(suite, bound, descriptor.descriptor.tunnel_key(suite), random)
    body = bytes([suite.id]) + descriptor.hash + initiator.message1
    answer = await http.post("/v1/session", body, max_bytes=HANDSHAKE_MAX_BYTES)
    if len(answer) <= SESSION_ID_BYTES:
        raise MalformedMessage("The handshake's answer is cut short.")
    return initiator.finish(answer[:SESSION_ID_BYTES], answer[SESSION_ID_BYTES:])


async def exchange(
    http: Client,
    keys: SessionKeys,
    request: BrokerRequest,
    kind: type[K],
    random: Random,
    *,
    whole: bool = False,
) -> tuple[K, memoryview]:
    """One sealed request; its answer of `kind`, and the bytes that follow the sealed answer.

    whole: the answer has its natural length and nothing follows it. Raises the broker's refusal,
    MalformedMessage, OpenFailed, SessionUnknown and what `Client.post` raises.
    """
    pending = PendingRequest(keys, request, request.cells, random)
    try:
        body = await http.post("/v1/request", pending.record, max_bytes=BODY_MAX_BYTES)
    except NetworkFailure as error:
        if request.moves_money:
            error.money_now = MONEY_UNCERTAIN
        raise
    end = len(body)
    if not whole:
        end = min(end, RECORD_OVERHEAD_BYTES + request.answer_cells * CELL_BYTES)
    return pending.open_answer(kind, body[:end]), memoryview(body)[end:]
