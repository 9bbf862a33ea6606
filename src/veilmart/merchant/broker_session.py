"""A merchant's own session with its broker, to ask the operator something (pages 4 and 5.8).

The same anonymous session that a customer makes, with the same padding: somebody on the wire does
not see who asks. Who it is says the signature inside.
"""

from collections.abc import Callable

from veilmart.errors import BrokerUnreachable, MalformedMessage, UnknownSuite
from veilmart.limits import BODY_MAX_BYTES, DESCRIPTOR_MAX_BYTES, HANDSHAKE_MAX_BYTES
from veilmart.merchant.brokers import PinnedBroker
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
from veilmart.protocol.tunnel import PendingRequest
from veilmart.transport.client import HttpClient
from veilmart.transport.port import Client, OpenClient

Random = Callable[[int], bytes]


async def ask_operator(
    broker: PinnedBroker,
    request: BrokerRequest,
    now: int,
    random: Random,
    open_client: OpenClient = HttpClient,
) -> None:
    """Hand a signed paper in. Raises BrokerUnreachable, what the broker refuses, TrustFailures."""
    address = parse_link(broker.url).url.removeprefix("http://")
    async with open_client(address, BrokerUnreachable) as http:
        signed = await http.get("/v1/descriptor", max_bytes=DESCRIPTOR_MAX_BYTES + SIGNATURE_BYTES)
        fresh = check_descriptor(
            signed, role="broker", fingerprint=broker.fingerprint, now=now, known=broker.known
        )
        keys = await _handshake(http, fresh, random)
        pending = PendingRequest(keys, request, request.cells, random)
        record = await http.post("/v1/request", pending.record, max_bytes=BODY_MAX_BYTES)
        pending.open_answer(Noted, record)


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
