"""A merchant's own session with its broker, to ask the operator something (pages 4 and 5.8).

The same anonymous session that a customer makes, with the same padding: somebody on the wire does
not see who asks. Who it is says the signature inside.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from veilmart.errors import BrokerUnreachable, MalformedMessage, UnknownSuite
from veilmart.limits import BODY_MAX_BYTES, DESCRIPTOR_MAX_BYTES, HANDSHAKE_MAX_BYTES
from veilmart.merchant.publishing.brokers import PinnedBroker
from veilmart.protocol import labels
from veilmart.protocol.address import parse_link
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import Noted
from veilmart.protocol.descriptor import SIGNATURE_BYTES, SignedDescriptor, check_descriptor
from veilmart.protocol.handshake import (
    SESSION_ID_BYTES,
    CertifiedInitiator,
    SessionKeys,
    prologue,
)
from veilmart.protocol.ports import Random
from veilmart.protocol.tunnel import PendingRequest
from veilmart.transport.port import Client, OpenClient
from veilmart.transport.stream_client import StreamClient

A = TypeVar("A")


async def ask_operator(
    broker: PinnedBroker,
    request: BrokerRequest,
    now: int,
    random: Random,
    open_client: OpenClient = StreamClient,
) -> None:
    """Hand a signed paper in. Raises BrokerUnreachable, what the broker refuses, TrustFailures."""
    async with asking(broker, now, random, open_client) as session:
        await session.ask(request, Noted)


@dataclass(frozen=True)
class BrokerSession:
    """One open session. descriptor: the broker's, which the session was made with."""

    descriptor: SignedDescriptor
    http: Client
    keys: SessionKeys = field(repr=False)
    random: Random

    async def ask(self, request: BrokerRequest, kind: type[A]) -> A:
        """The answer. Raises BrokerUnreachable and what the broker refuses."""
        pending = PendingRequest(self.keys, request, request.cells, self.random)
        record = await self.http.post("/v1/request", pending.record, max_bytes=BODY_MAX_BYTES)
        answer = pending.open_answer(kind, record)
        return answer


@asynccontextmanager
async def asking(
    broker: PinnedBroker, now: int, random: Random, open_client: OpenClient = StreamClient
) -> AsyncIterator[BrokerSession]:
    """A session for one or more questions. Raises BrokerUnreachable, TrustFailures."""
    address = parse_link(broker.url).url.removeprefix("http://")
    async with open_client(address, BrokerUnreachable) as http:
        signed = await http.get("/v1/descriptor", max_bytes=DESCRIPTOR_MAX_BYTES + SIGNATURE_BYTES)
        fresh = check_descriptor(
            signed, role="broker", fingerprint=broker.fingerprint, now=now, known=broker.known
        )
        yield BrokerSession(fresh, http, await _handshake(http, fresh, random), random)


async def _handshake(http: Client, descriptor: SignedDescriptor, random: Random) -> SessionKeys:
    suites = descriptor.descriptor.suites()
    if not suites:
        raise UnknownSuite
    suite = suites[0]
    bound = prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, descriptor.hash)
    initiator = CertifiedInitiator(suite, bound, descriptor.descriptor.tunnel_key(suite), random)
    body = bytes([suite.id]) + descriptor.hash + initiator.message1
    answer = await http.post("/v1/session", body, max_bytes=HANDSHAKE_MAX_BYTES)
    if len(answer) <= SESSION_ID_BYTES:
        raise MalformedMessage("The handshake's answer is cut short.")
    return initiator.finish(answer[:SESSION_ID_BYTES], answer[SESSION_ID_BYTES:])
