"""What customers ask about merchants, and how the broker learns of new descriptors."""

from veilmart.broker import merchants
from veilmart.broker.effects import Answer, Forward
from veilmart.broker.merchants import ADMITTED, MerchantView
from veilmart.broker.sessions.session import Session
from veilmart.broker.state import BrokerState
from veilmart.errors import (
    DescriptorUnknown,
    MerchantUnreachable,
    NotYourBroker,
    PeerFault,
    TrustFailure,
)
from veilmart.limits import MERCHANTS_PER_ANSWER_MAX
from veilmart.protocol.customer_messages import (
    GetMerchant,
    GetMerchants,
    MerchantDescriptor,
    MerchantEntry,
    Merchants,
)
from veilmart.protocol.descriptor import check_descriptor, read_descriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.link_messages import FetchDescriptor, LinkDescriptor


def get_merchants(state: BrokerState, session: Session, request: GetMerchants) -> Rule[Answer]:
    """One page of the merchants carried, ordered by fingerprint."""
    yield from ()
    rest = [
        view
        for view in state.merchants.all()
        if view.state == ADMITTED and view.fingerprint > request.after
    ]
    entries = [
        MerchantEntry(fingerprint=view.fingerprint, name=view.name)
        for view in rest[:MERCHANTS_PER_ANSWER_MAX]
    ]
    return Answer(Merchants(entries=entries, more=len(rest) > len(entries)))


def get_merchant(state: BrokerState, session: Session, request: GetMerchant) -> Rule[Answer]:
    """A descriptor; serial 0 asks the merchant for its newest, if it is there.

    Raises MerchantUnknown, MerchantSuspended, DescriptorUnknown, MerchantUnreachable.
    """
    view = state.merchants.admitted(request.fingerprint)
    if request.serial == 0:
        try:
            yield from refresh(state, view.fingerprint)
        except (MerchantUnreachable, NotYourBroker, PeerFault, TrustFailure):
            # The one we have was signed by the merchant as well; the customer checks its age.
            view = state.merchants.admitted(request.fingerprint)
        newest = state.merchants.admitted(request.fingerprint).newest
        return Answer(MerchantDescriptor(signed=newest.signed))
    for known in view.descriptors:
        if known.descriptor.serial == request.serial:
            return Answer(MerchantDescriptor(signed=known.signed))
    old = yield from _fetch(view, request.serial)
    checked = read_descriptor(old)
    if checked.fingerprint != view.fingerprint or checked.descriptor.serial != request.serial:
        raise DescriptorUnknown
    return Answer(MerchantDescriptor(signed=old))


def refresh(state: BrokerState, merchant: bytes) -> Rule[None]:
    """Ask a merchant for its newest descriptor and keep it if it follows the one we know.

    Raises MerchantUnreachable, NotYourBroker for one that does not name us, OfferMismatch for one
    in another currency, and what `check_descriptor` raises.
    """
    view = state.merchants.known(merchant)
    signed = yield from _fetch(view, 0)
    if signed == view.newest.signed:
        return
    now = state.clock()
    fresh = check_descriptor(
        signed, role="merchant", fingerprint=merchant, now=now, known=view.newest
    )
    merchants.check_terms(fresh, state.fingerprint, state.settings)
    yield from transact(merchants.add_descriptor, fresh)
    state.merchants.learn(fresh)


def _fetch(view: MerchantView, serial: int) -> Rule[bytes]:
    answer, _attachment = yield from Forward(
        view.fingerprint, FetchDescriptor(serial=serial), LinkDescriptor
    )
    return answer.signed
