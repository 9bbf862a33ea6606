"""A merchant's session with its broker, for requests to the operator (pages 4 and 5.8).

The same anonymous session that a customer makes, with the same padding: an observer of the wire
cannot tell who asks. The signature inside identifies the merchant.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from veilmart.errors import BrokerUnreachable, InsufficientBalance, MalformedMessage
from veilmart.merchant.publishing.brokers import PinnedBroker
from veilmart.protocol.address import parse_link
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import Noted
from veilmart.protocol.descriptor import SignedDescriptor, check_descriptor, choose_suite
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.ports import Random
from veilmart.transport.broker_channel import BrokerDescriptors, begin_session, exchange
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
    """Send a signed request. Raises BrokerUnreachable, what the broker refuses, TrustFailures."""
    async with asking(broker, now, random, open_client) as session:
        try:
            await session.ask(request, Noted)
        except InsufficientBalance as fault:
            fault.hint = "`veilmart merchant balance` shows what the broker holds for you."
            raise


@dataclass(frozen=True)
class BrokerSession:
    """One open session. descriptor: the broker's, which the session was made with."""

    descriptor: SignedDescriptor
    http: Client
    keys: SessionKeys = field(repr=False)
    random: Random

    async def ask(self, request: BrokerRequest, kind: type[A]) -> A:
        """The answer. Raises BrokerUnreachable and what the broker refuses."""
        answer, rest = await exchange(self.http, self.keys, request, kind, self.random)
        if rest:
            raise MalformedMessage("Something follows an answer.")
        return answer


@asynccontextmanager
async def asking(
    broker: PinnedBroker, now: int, random: Random, open_client: OpenClient = StreamClient
) -> AsyncIterator[BrokerSession]:
    """A session for one or more questions. Raises BrokerUnreachable, TrustFailures."""
    address = parse_link(broker.url).url.removeprefix("http://")
    async with open_client(address, BrokerUnreachable) as http:
        signed = await BrokerDescriptors(http).newest()
        fresh = check_descriptor(
            signed, role="broker", fingerprint=broker.fingerprint, now=now, known=broker.known
        )
        keys = await begin_session(http, fresh, choose_suite(fresh, None), random)
        yield BrokerSession(fresh, http, keys, random)
