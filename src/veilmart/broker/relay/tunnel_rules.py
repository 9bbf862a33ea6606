"""The tunnel between customer and merchant, of which the broker sees lengths and invoices.

docs/protocol/05-customer-broker.md, section 4. A relayed answer without an invoice costs no
commit; one with an invoice is stored before the customer hears of it.
"""

from veilmart.broker.effects import Answer, Forward
from veilmart.broker.escrow.invoice_checks import check_relayed_invoice
from veilmart.broker.escrow.invoices import add_invoice, still_offered, withdraw_offer
from veilmart.broker.events import AwaitingPayment, RequestForwarded, TunnelCarried
from veilmart.broker.relay.descriptor_rules import refresh
from veilmart.broker.sessions.known_orders import OrderTerms
from veilmart.broker.sessions.session import Session
from veilmart.broker.state import BrokerState
from veilmart.errors import MerchantUnreachable, NotYourBroker, PeerFault, TooManyOpen, TrustFailure
from veilmart.limits import UNPAID_PER_SESSION_MAX, UNPAID_REFUSED_MAX
from veilmart.protocol.accounting import fee_of
from veilmart.protocol.customer_messages import Open, Opened, Payable, Relay, Relayed
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.link_messages import (
    TunnelOpen,
    TunnelOpened,
    TunnelRelay,
    TunnelRelayed,
)


def open_tunnel(state: BrokerState, session: Session, request: Open) -> Rule[Answer]:
    """Carry message 1 to the merchant and message 2 back, with the next request number.

    Raises MerchantUnknown, MerchantSuspended, UnknownRequestNumber, MerchantUnreachable and what
    the merchant refuses.
    """
    merchant = state.merchants.admitted(request.merchant)
    known = session.numbers.begin_open(request)
    if known is not None:
        return Answer(known)
    message = TunnelOpen(
        request_number=request.request_number,
        suite=request.suite,
        descriptor=request.descriptor,
        message=request.message,
    )
    opened: Opened | None = None
    try:
        answer, _attachment = yield from Forward(request.merchant, message, TunnelOpened)
        opened = Opened(
            message=answer.message,
            next_request_number=session.numbers.hand_out(state.random),
        )
    finally:
        session.numbers.finish_open(request, opened)
    state.observe(TunnelCarried(request.request_number, merchant.name))
    if answer.serial > merchant.newest.descriptor.serial:
        try:
            yield from refresh(state, request.merchant)
        except (MerchantUnreachable, NotYourBroker, PeerFault, TrustFailure):
            # The tunnel stands; invoices under keys we do not know will be refused.
            return Answer(opened)
    return Answer(opened)


def relay(state: BrokerState, session: Session, request: Relay) -> Rule[Answer]:
    """Carry a sealed record and its answer; store an invoice that comes with it.

    Raises UnknownRequestNumber, MerchantSuspended, MerchantUnreachable, and for an invoice
    SignatureInvalid, OfferMismatch or TooManyOpen.
    """
    fingerprint = session.numbers.merchant_of(request.request_number)
    merchant = state.merchants.admitted(fingerprint)
    if session.refused >= UNPAID_REFUSED_MAX:
        # Each choice makes the merchant write an offer, which nobody could pay.
        yield from _make_room(state, session)
        session.refused = 0
    answer, _attachment = yield from Forward(
        fingerprint,
        TunnelRelay(request_number=request.request_number, record=request.record),
        TunnelRelayed,
    )
    state.observe(RequestForwarded(request.request_number, len(request.record), len(answer.record)))
    if not answer.invoice:
        return Answer(Relayed(record=answer.record, payable=None), natural=True)
    merchant = state.merchants.admitted(fingerprint)
    invoice = check_relayed_invoice(
        answer.invoice,
        merchant,
        state.fingerprint,
        state.settings.price_points,
        state.clock(),
    )
    # Settings may be newer than the published descriptor: what was published is what is taken.
    try:
        yield from _make_room(state, session)
    except TooManyOpen:
        session.refused += 1
        raise
    fee = fee_of(invoice.amount, state.own.newest.fee_basis_points)
    yield from transact(add_invoice, invoice, answer.invoice, fee)
    state.orders.add(
        OrderTerms(
            invoice.order, invoice.merchant, invoice.amount, invoice.order_key, answer.invoice
        )
    )
    session.unpaid[invoice.order] = invoice.pay_by
    state.unpaid.add(invoice.order, session.owner, invoice.pay_by)
    state.observe(AwaitingPayment(request.request_number, invoice.order, invoice.amount))
    payable = Payable(
        order=invoice.order,
        amount=invoice.amount,
        order_key=invoice.order_key,
        pay_by=invoice.pay_by,
        deliver_within=invoice.deliver_within,
        settle_within=invoice.settle_within,
    )
    return Answer(Relayed(record=answer.record, payable=payable), natural=True)


def _make_room(state: BrokerState, session: Session) -> Rule[None]:
    """Make room for one more unpaid order by dropping older unpaid ones. Raises TooManyOpen."""
    now = state.clock()
    for order in [order for order, pay_by in session.unpaid.items() if pay_by <= now]:
        del session.unpaid[order]
    if len(session.unpaid) >= UNPAID_PER_SESSION_MAX:
        # Another worker may have taken the payment of some, here and below.
        offered = yield from transact(still_offered, list(session.unpaid))
        for order in [order for order in session.unpaid if order not in offered]:
            del session.unpaid[order]
    if len(session.unpaid) >= UNPAID_PER_SESSION_MAX:
        raise TooManyOpen
    while (crowd := state.unpaid.crowd(session.owner, now)) is not None:
        offered = yield from transact(still_offered, crowd.orders)
        gone = [order for order in crowd.orders if order not in offered]
        if not gone:
            if crowd.own:
                raise TooManyOpen
            gone = crowd.orders[:1]
            yield from transact(withdraw_offer, gone[0])
        for order in gone:
            state.unpaid.remove(order)
