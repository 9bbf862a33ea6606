"""What a broker may ask on its link: docs/protocol/06-broker-merchant.md."""

from veilmart.crypto.suite import suite_by_id
from veilmart.errors import (
    ClocksDiffer,
    DescriptorExpired,
    DescriptorUnknown,
    MalformedMessage,
    NotYourBroker,
    SessionUnknown,
    UnknownSuite,
    VeilmartError,
)
from veilmart.merchant.effects import AnswerTunnel, Reply, SealPiece
from veilmart.merchant.events import (
    BrokerAuthenticated,
    BrokerRefused,
    CustomerTunnel,
    Faulted,
    FundsReported,
    OrderEnded,
    PaymentStatus,
)
from veilmart.merchant.publishing.brokers import PinnedBroker, renew_broker
from veilmart.merchant.publishing.descriptors import signed_descriptor
from veilmart.merchant.publishing.key_sets import signing_seed
from veilmart.merchant.sales.codes import code_asked, code_ended
from veilmart.merchant.sales.orders import apply_report, last_heard, segment_asked
from veilmart.merchant.server.state import MerchantState
from veilmart.merchant.server.tunnel_rules import relay
from veilmart.merchant.server.tunnels import Link
from veilmart.protocol import labels
from veilmart.protocol.descriptor import check_descriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.handshake import prologue
from veilmart.protocol.link import check_proof
from veilmart.protocol.link_messages import (
    FetchDescriptor,
    FetchSegment,
    LinkDescriptor,
    LinkProof,
    LinkReady,
    MerchantRequest,
    Report,
    Reported,
    SegmentFollows,
    TunnelOpen,
    TunnelOpened,
    TunnelRelay,
)
from veilmart.protocol.moments import format_moment


def answer(state: MerchantState, link: Link, request: MerchantRequest) -> Rule[Reply]:
    """One request of an open session. Raises what the broker is to hear, or our own failure."""
    if isinstance(request, LinkProof):
        return (yield from prove(state, link, request))
    if not link.proved:
        state.links.drop(link)
        raise SessionUnknown("The link has to be proved first.")
    broker = pinned(state, link.broker)
    match request:
        case TunnelRelay():
            return (yield from relay(state, link.broker, request))
        case TunnelOpen():
            return (yield from open_tunnel(state, link.broker, request))
        case FetchSegment():
            return (yield from deliver(state, broker, request))
        case Report():
            return (yield from take_report(state, broker, request))
        case FetchDescriptor():
            return (yield from show_descriptor(state, request))
        case _:
            raise MalformedMessage


def pinned(state: MerchantState, fingerprint: bytes) -> PinnedBroker:
    """Raises NotYourBroker."""
    broker = state.shop.brokers.get(fingerprint)
    if broker is None:
        raise NotYourBroker
    return broker


def prove(state: MerchantState, link: Link, request: LinkProof) -> Rule[Reply]:
    """Message 3 of the link's handshake; a link that fails it is dropped."""
    shop = state.shop
    try:
        broker = pinned(state, link.broker)
        fresh = check_descriptor(
            request.descriptor,
            role="broker",
            fingerprint=link.broker,
            now=state.clock(),
            known=broker.known,
        )
        spki = fresh.descriptor.identity
        check_proof(link.keys, link.broker, shop.fingerprint, spki, request.signature)
    except VeilmartError as error:
        state.links.drop(link)
        state.observe(BrokerRefused(error.say()))
        if isinstance(error, DescriptorExpired):
            here = format_moment(state.clock())
            raise ClocksDiffer(f"The merchant's clock says {here}.") from error
        raise
    if not link.proved:
        if fresh.hash != broker.known.hash:
            yield from transact(renew_broker, broker.id, fresh)
        state.links.prove(link, state.clock())
        state.observe(BrokerAuthenticated(link.broker))
    heard = yield from transact(last_heard, broker.id)
    return Reply(LinkReady(serial=shop.newest.serial, heard=heard), request.answer_cells)


def show_descriptor(state: MerchantState, request: FetchDescriptor) -> Rule[Reply]:
    """Raises DescriptorUnknown."""
    newest = state.shop.newest
    signed = newest.known.signed
    if request.serial not in (0, newest.serial):
        signed = yield from transact(signed_descriptor, request.serial)
    return Reply(LinkDescriptor(signed=signed), request.answer_cells)


def open_tunnel(state: MerchantState, broker: bytes, request: TunnelOpen) -> Rule[Reply]:
    """The customer's handshake. Raises DescriptorUnknown, UnknownSuite, UnknownRequestNumber
    and what the handshake raises.
    """
    now = state.clock()
    published = state.shop.descriptors.get(request.descriptor)
    if published is None or published.known.descriptor.not_after <= now:
        raise DescriptorUnknown
    suite = suite_by_id(request.suite)
    static = published.keys.tunnel.get(suite.id)
    if static is None:
        raise UnknownSuite(suite.name)
    number = request.request_number
    bound = prologue(labels.PROLOGUE_CUSTOMER_MERCHANT, suite, request.descriptor, number)
    message: bytes
    message, keys = yield from AnswerTunnel(suite, bound, number, request.message, static)
    tunnel = state.tunnels.open(keys, broker, published, now)
    state.observe(CustomerTunnel(tunnel.label, suite.name, keys.session_fingerprint))
    opened = TunnelOpened(message=message, serial=state.shop.newest.serial)
    return Reply(opened, request.answer_cells)


def deliver(state: MerchantState, broker: PinnedBroker, request: FetchSegment) -> Rule[Reply]:
    """One signed segment of an order whose payment the broker holds; the first marks it PAID.

    Raises OrderUnknown, SegmentUnknown, WrongOrderState, StoreDamaged.
    """
    found = yield from transact(
        segment_asked, request.order, broker.id, request.index, request.held_at, state.clock()
    )
    order, first = found
    if first:
        state.observe(PaymentStatus(state.tunnels.label_of(order.order), True))
    piece: bytes | None = None
    if order.shelf in state.shop.code_shelves:
        piece = yield from transact(code_asked, order.order, order.size)
    newest = state.shop.newest.keys
    seed = newest.seed
    if order.key_set != newest.id:
        seed = yield from transact(signing_seed, order.key_set)
    segment = yield from SealPiece(
        root=order.root,
        size=order.size,
        index=request.index,
        suite=suite_by_id(order.suite),
        content_key=order.content_key,
        signing_seed=seed,
        order=order.order,
        piece=piece,
    )
    return Reply(SegmentFollows(length=len(segment)), request.answer_cells, segment)


def take_report(state: MerchantState, broker: PinnedBroker, request: Report) -> Rule[Reply]:
    """Apply a report about orders; a repeated one changes nothing."""
    codes = code_ended if state.shop.code_shelves else None
    outcome = yield from transact(apply_report, broker.id, request.entries, request.balance, codes)
    for ended in outcome.ended:
        request_number = state.tunnels.forget_order(ended.order)
        settled, returned = ended.event == "settled", ended.event == "returned"
        state.observe(OrderEnded(request_number, settled, ended.funds, returned))
    if not request.entries:
        state.observe(FundsReported(request.balance))
    if outcome.contradictions:
        state.observe(Faulted("The broker's report contradicts an earlier one."))
    return Reply(Reported(), request.answer_cells)
