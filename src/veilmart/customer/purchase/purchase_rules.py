"""A purchase from the choice to the finished file (docs/protocol/09-purchase.md).

The order of the steps protects the money:
1. Before the person confirms nothing is stored.
2. CONFIRMING is committed, with the token that pays if one does, before the payment is sent:
   whatever happens to the answer, the wallet knows which order to ask about.
3. Every segment is fetched, verified and on the disk before HELD is committed; only then is the
   key asked for. Until then the whole amount can be refunded.
4. RELEASED is committed with the key before a byte is opened.
5. The file is in place before it is acknowledged; DONE is committed last.
"""

from dataclasses import dataclass, field, replace

from veilmart.customer.browsing.tunnel_rules import Tunnel
from veilmart.customer.effects import BrokerDescriptor, Confirm, Tell, on_disk
from veilmart.customer.events import Dropped, PaymentHeld, StepReached
from veilmart.customer.purchase.completion_rules import Bought, complete
from veilmart.customer.purchase.destination import try_destination
from veilmart.customer.purchase.payment_rules import (
    LOST,
    Payment,
    keep_refund,
    may_pay_later,
    refunding,
    send_payment,
)
from veilmart.customer.purchase.select_rules import select
from veilmart.customer.quote import Choice, Quote
from veilmart.customer.wallet.orders import Order, Terms, described, save_order
from veilmart.customer.wallet.parcels import save_ended
from veilmart.errors import (
    MONEY_SAFE,
    NO_MONEY,
    CannotDo,
    Declined,
    InsufficientBalance,
    OfferExpired,
    OfferMismatch,
    OrderUnknown,
    SignatureInvalid,
    StorageFailure,
    TokenEndsEarly,
    TokenKeyEnded,
    TokenSpent,
    VeilmartError,
)
from veilmart.protocol import labels, offer as offers
from veilmart.protocol.catalogue import NO_ROOT
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.offer import PaymentReceipt
from veilmart.protocol.parcel import piece_count
from veilmart.protocol.ports import Clock, Random
from veilmart.protocol.wallet_states import WalletEvent, WalletState

# Refusals after which the broker certainly holds nothing: an answer stored for the same operation
# would have been given before any of them.
CERTAINLY_UNPAID = (InsufficientBalance, OfferExpired, OrderUnknown, TokenSpent, *LOST)

SAVE_ELSEWHERE = (
    "`veilmart customer sync` tries again; with --out DIR it saves into another folder."
)
EXCHANGED = "Your token was exchanged for a fresh one of the same price."


@dataclass(frozen=True)
class PaidOrder:
    """An order with its receipt. balance: of the account, after it.

    segment: the first one, unverified, where it came with the answer.
    """

    order: Order
    balance: int | None
    segment: bytes | memoryview = field(repr=False)


def purchase(
    choice: Choice,
    payment: Payment,
    clock: Clock,
    random: Random,
    tunnel: Tunnel | None = None,
    *,
    later: bool = False,
) -> Rule[Bought]:
    """Buy one product. Raises Declined, and every error of the steps below.

    tunnel: an open one in which nothing was chosen yet. later: acknowledge in the background.
    """
    yield from on_disk(try_destination, choice)
    quote = yield from select(choice, clock(), random, tunnel)
    ready = yield from payment.prepare(quote)
    quote = ready.quote
    agreed = yield from Confirm(quote)
    if not agreed:
        yield from Tell(Dropped())
        raise Declined("The order was dropped.", money=NO_MONEY)
    terms = agreed_terms(quote)
    order = yield from ready.commit(new_order(quote, clock()))
    try:
        paid = yield from pay(order, terms, choice.broker, clock)
    except CERTAINLY_UNPAID:
        raise
    except VeilmartError as error:
        raise money_may_be_held(error) from error.__cause__
    try:
        bought = yield from complete(
            paid.order, terms, clock, fresh=True, first=paid.segment, later=later
        )
    except VeilmartError as error:
        raise money_may_be_held(error) from error.__cause__
    return replace(bought, balance=paid.balance)


def money_may_be_held(error: VeilmartError) -> VeilmartError:
    """After the confirmation no error may claim that no money moved unless that is certain."""
    if error.money_now in ("", NO_MONEY):
        error.money_now = MONEY_SAFE
    if isinstance(error, StorageFailure | CannotDo):
        error.hint = SAVE_ELSEWHERE
    return error


def new_order(quote: Quote, now: int) -> Order:
    """The row that is committed at "y"."""
    choice = quote.choice
    return Order(
        order=quote.order,
        state=WalletState.CONFIRMING.value,
        broker=choice.broker.fingerprint,
        merchant=choice.merchant.fingerprint,
        broker_descriptor=choice.broker.signed,
        merchant_descriptor=choice.merchant.signed,
        offer=quote.signed_offer,
        escrow_key=quote.escrow_key,
        order_seed=quote.order_seed,
        product=choice.product.id,
        title=choice.product.title,
        file_name=choice.product.file_name,
        version=choice.product.version,
        pieces=quote.pieces,
        out_folder=str(choice.out.absolute()),
        made_at=now,
        changed_at=now,
        described=described(choice.product),
        codes=choice.product.root == NO_ROOT,
    )


def agreed_terms(quote: Quote) -> Terms:
    """What `terms_of` would read from the stored offer, which was verified a moment ago."""
    key = quote.choice.merchant.descriptor.signing_key
    return Terms(quote.offer, quote.choice.suite, key, piece_count(quote.offer.size))


def pay(
    order: Order,
    terms: Terms,
    broker: SignedDescriptor,
    clock: Clock,
    *,
    known_held: bool = False,
) -> Rule[PaidOrder]:
    """Send the payment and check its receipt.

    broker: the broker's descriptor that the order was made under.
    The same operation id every time, so that a second one is answered like the first and charges
    nothing. A refusal that proves that nothing is held abandons the order, unless the broker has
    just said that it is held (`known_held`): then only the receipt is missing. A token that comes
    too late brings its refund token, and the order ends as refunded: OfferExpired.
    """
    yield from Tell(StepReached("pay"))
    try:
        paid = yield from send_payment(order, terms.offer.price)
    except CERTAINLY_UNPAID as refused:
        if isinstance(refused, TokenKeyEnded) and (yield from may_pay_later(order, clock)):
            raise TokenEndsEarly from refused
        if not known_held:
            abandoned = order.after(WalletEvent.OFFER_LOST, clock())
            yield from transact(save_order, abandoned)
        raise
    if paid.refund:
        yield from keep_refund(order, refunding(order).refund_key, paid.refund, clock)
        yield from transact(save_ended, order.after(WalletEvent.REFUND_SEEN, clock()))
        raise OfferExpired(money=EXCHANGED)
    signed_by = yield from _check_receipt(order, terms, broker, paid.receipt)
    yield from Tell(PaymentHeld(terms.offer.price, paid.balance))
    order = replace(order, receipt=paid.receipt, broker_descriptor=signed_by.signed)
    return PaidOrder(order, paid.balance, paid.segment)


def _check_receipt(
    order: Order, terms: Terms, broker: SignedDescriptor, signed: bytes
) -> Rule[SignedDescriptor]:
    """Which descriptor of the broker certifies the receipt. Raises SignatureInvalid, OfferMismatch.

    The broker may have renewed its descriptor since the session began, hence the second try.
    """
    try:
        receipt = _open_receipt(broker, signed)
    except SignatureInvalid:
        broker = yield from BrokerDescriptor(fresh=True)
        receipt = _open_receipt(broker, signed)
    check_receipt(receipt, terms.offer, order.order)
    return broker


def _open_receipt(broker: SignedDescriptor, signed: bytes) -> PaymentReceipt:
    key = broker.descriptor.signing_key
    return offers.open_object(PaymentReceipt, key, labels.PAYMENT_RECEIPT, signed)


def check_receipt(receipt: PaymentReceipt, offer: offers.Offer, order: bytes) -> None:
    """The receipt is for this order. Raises OfferMismatch naming the field that differs."""
    expected = {
        "broker": (receipt.broker, offer.broker),
        "merchant": (receipt.merchant, offer.merchant),
        "order": (receipt.order, order),
        "amount": (receipt.amount, offer.price),
    }
    for name, (got, wanted) in expected.items():
        if got != wanted:
            raise OfferMismatch(f"The receipt's {name} differs.", money=MONEY_SAFE)
