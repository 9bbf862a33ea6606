"""Opening the tunnel to a merchant, and asking in it (docs/protocol/07-customer-merchant.md)."""

from dataclasses import dataclass, field
from typing import TypeVar

from veilmart.crypto.suite import Suite
from veilmart.customer.effects import AskBroker, NextRequestNumber, TakeRequestNumber, Tell
from veilmart.customer.events import StepReached, TunnelOpened
from veilmart.errors import (
    DescriptorUnknown,
    MerchantUnreachable,
    SessionUnknown,
    UnknownRequestNumber,
)
from veilmart.protocol import handshake, labels, tunnel as records
from veilmart.protocol.customer_messages import Open, Opened, Payable, Relay, Relayed
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.merchant_messages import TunnelRequest
from veilmart.protocol.ports import Random

K = TypeVar("K")

TRIES = 2


@dataclass(frozen=True)
class Tunnel:
    """An open tunnel to a merchant; its session id is the request number."""

    merchant: SignedDescriptor
    keys: SessionKeys = field(repr=False)


def open_tunnel(merchant: SignedDescriptor, suite: Suite, random: Random) -> Rule[Tunnel]:
    """The Noise NK handshake with the merchant, through the broker, under a request number.

    Raises HandshakeFailed, and DescriptorUnknown when the merchant's descriptor has been replaced.
    """
    yield from Tell(StepReached("tunnel"))
    for left in reversed(range(TRIES)):
        number = yield from TakeRequestNumber()
        prologue = handshake.prologue(
            labels.PROLOGUE_CUSTOMER_MERCHANT, suite, merchant.hash, number
        )
        key = merchant.descriptor.tunnel_key(suite)
        initiator = handshake.CertifiedInitiator(suite, prologue, key, random)
        request = Open(
            merchant=merchant.fingerprint,
            request_number=number,
            suite=suite.id,
            descriptor=merchant.hash,
            message=initiator.message1,
        )
        try:
            opened = yield from AskBroker(request, Opened, bound=True)
        except (SessionUnknown, UnknownRequestNumber):
            if not left:
                raise
            continue
        except (DescriptorUnknown, MerchantUnreachable):
            yield from NextRequestNumber(number)  # nothing was opened under it
            raise
        break
    yield from NextRequestNumber(opened.next_request_number)
    keys = initiator.finish(number, opened.message)
    yield from Tell(TunnelOpened(merchant.fingerprint, suite.group_name, keys.session_fingerprint))
    return Tunnel(merchant, keys)


def ask_merchant(
    tunnel: Tunnel, request: TunnelRequest, kind: type[K], random: Random
) -> Rule[tuple[K, Payable | None]]:
    """A request inside the tunnel: (answer of `kind`, what the broker read in an invoice)."""
    pending = records.PendingRequest(tunnel.keys, request, request.cells, random)
    relay = Relay(request_number=tunnel.keys.session_id, record=pending.record)
    relayed = yield from AskBroker(relay, Relayed, bound=True)
    answer = pending.open_answer(kind, relayed.record)
    return answer, relayed.payable
