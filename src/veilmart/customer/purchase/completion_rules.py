"""From paid to done: segments, key, file, acknowledgement (docs/protocol/09-purchase.md, 4 and 5).

The same rule finishes a fresh purchase and one that was interrupted anywhere. It needs neither a
login nor a tunnel to the merchant: the order key authorises every request.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from veilmart.customer.effects import (
    AskBroker,
    Later,
    Pace,
    Tell,
    on_disk,
)
from veilmart.customer.events import (
    FileSaved,
    IntegrityChecked,
    KeyReleased,
    PurchaseDone,
    ReceiptUseless,
    StepReached,
)
from veilmart.customer.purchase.file_writer import deliver
from veilmart.customer.purchase.segments_rules import fetch_parcel, fetch_segments
from veilmart.customer.wallet.orders import Order, Terms, note_fault, save_faulty, save_order
from veilmart.customer.wallet.parcels import Parcels, is_small, save_ended, save_held
from veilmart.errors import (
    MONEY_SAFE,
    ContentKeyInvalid,
    KeyNotSigned,
    MalformedMessage,
    OfferMismatch,
    PaddingInvalid,
    PieceMismatch,
    SegmentDamaged,
    SignatureInvalid,
    VeilmartError,
    WrongOrderState,
)
from veilmart.limits import FINISH_SLOT_SECONDS
from veilmart.protocol import labels, offer as offers
from veilmart.protocol.customer_messages import (
    Acknowledge,
    GetStatus,
    OrderStatus,
    Release,
    Released,
)
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.offer import Invoice
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.ports import Clock
from veilmart.protocol.wallet_states import WalletEvent, WalletState

DELIVERY_TRIES = 3
KEY_TRIES = 3
_WRITTEN_BYTES_PER_SECOND = 50_000_000
REFUNDED = "The whole amount is back, as it was paid: on your balance, or as a token."


@dataclass(frozen=True)
class Bought:
    """path: the finished file. balance: after the payment, minor units.

    order: as stored, DONE; with a file ready and RELEASED in the wallet if it is settled later.
    """

    order: Order
    path: Path
    balance: int | None = None


def complete(
    order: Order,
    terms: Terms,
    clock: Clock,
    *,
    fresh: bool,
    first: bytes | memoryview = b"",
    later: bool = False,
) -> Rule[Bought]:
    """Finish a paid order from CONFIRMING (paid), HELD, RELEASED or DELIVERED.

    fresh: nothing of its parcel was fetched yet. first: its first segment, unverified, where it
    came with the payment's answer. later: return when the file is there, and acknowledge at the
    slot in the background. Raises WrongOrderState once it was refunded,
    ContentKeyInvalid, PieceMismatch, PaddingInvalid (evidence against the merchant), and errors
    of network and disk, after which it can be called again.
    """
    segment: bytes | None = None
    again = order.state == WalletState.RELEASED
    try:
        if order.state == WalletState.CONFIRMING:
            segment = yield from fetch_parcel(order, terms, fresh=fresh, first=first)
            order = order.after(WalletEvent.PAID, clock())
            yield from transact(save_held, order, segment)
            order = yield from _release(order, terms, clock)
        elif order.state == WalletState.HELD:
            segment = yield from fetch_parcel(order, terms, fresh=False)
            order = yield from _release(order, terms, clock)
    except WrongOrderState:
        yield from _notice_refund(order, clock)
        raise
    # Opening and writing take as long as the file is long, not as the shelf is: what is sent
    # afterwards leaves at a time that says nothing of it (docs/protocol/09-purchase.md).
    slot = finish_slot(terms.offer.size)
    began = yield from Pace(slot)
    if order.state == WalletState.RELEASED:
        try:
            order = yield from _deliver(order, terms, clock, segment, again)
        except (ContentKeyInvalid, PieceMismatch, PaddingInvalid):
            if not fresh:
                # Disputed with success from somewhere else, or the merchant gave it back.
                yield from _notice_refund(order, clock)
            raise
        except WrongOrderState:  # so did the broker say when a lost segment was asked for again
            yield from _notice_refund(order, clock)
            raise

    def settle() -> Rule[Bought]:
        yield from Pace(slot, began)
        return (yield from _acknowledge(order, terms, clock))

    if not later:
        return (yield from settle())
    # Until then the wallet says RELEASED: after a crash `sync` finds the file and acknowledges.
    yield from Later(settle)
    return Bought(order, Path(order.file_path or ""))


def finish_slot(size: int) -> float:
    """Seconds that suffice to open and write a product of a shelf of `size` bytes."""
    return FINISH_SLOT_SECONDS + size / _WRITTEN_BYTES_PER_SECOND


def order_status(order: Order) -> Rule[OrderStatus]:
    """What the broker says about the order. Raises OrderUnknown."""
    signature = sign_action(order.order_seed, order.order, "status")
    request = GetStatus(order=order.order, signature=signature)
    status = yield from AskBroker(request, OrderStatus)
    return status


def _notice_refund(order: Order, clock: Clock) -> Rule[None]:
    status = yield from order_status(order)
    if status.state == InvoiceState.REFUNDED:
        refunded = order.after(WalletEvent.REFUND_SEEN, clock())
        yield from transact(save_ended, refunded)
        yield from on_disk(Parcels.drop, order.order)
        raise WrongOrderState("It was refunded.", money=REFUNDED)


# ---- the key -----------------------------------------------------------------------


def _release(order: Order, terms: Terms, clock: Clock) -> Rule[Order]:
    """Ask for the key, check it, commit it. A wrong key is committed too: it is evidence."""
    yield from Tell(StepReached("release"))
    order, fault = yield from ask_key(order, terms, clock)
    if fault is not None:
        yield from transact(save_faulty, order, fault)
        raise fault
    yield from transact(save_order, order)
    yield from Tell(KeyReleased())
    if not _receipt_names(order, order.invoice or b""):
        yield from Tell(ReceiptUseless())
    return order


def ask_key(
    order: Order, terms: Terms, clock: Clock
) -> Rule[tuple[Order, ContentKeyInvalid | None]]:
    """The RELEASED order with its invoice, and what is wrong with the key. Stores nothing.

    An invoice that the merchant did not sign, or not for this order (the broker's receipt says
    which one is paid), was changed on the way and is asked for again. Raises KeyNotSigned when it
    stays like that.
    """
    request = Release(
        operation=operation_id(order.order, "release"),
        order=order.order,
        signature=sign_action(order.order_seed, order.order, "release"),
    )
    for _ in range(KEY_TRIES):
        released = yield from AskBroker(request, Released)
        try:
            invoice = offers.open_object(
                Invoice, terms.signing_key, labels.INVOICE, released.invoice
            )
        except (SignatureInvalid, MalformedMessage):
            continue
        came = partial(order.after, WalletEvent.KEY_CAME, clock(), invoice=released.invoice)
        try:
            return came(content_key=_content_key(order, terms, invoice)), None
        except ContentKeyInvalid as fault:
            if _receipt_names(order, released.invoice):
                return came(), fault
    raise KeyNotSigned


def _receipt_names(order: Order, signed_invoice: bytes) -> bool:
    """Whether the broker's receipt is for this invoice. The goods are paid in either case."""
    if order.receipt is None:
        return True
    body = order.receipt[offers.SIGNATURE_BYTES :]
    receipt = decode(offers.PaymentReceipt, body, offers.SIGNED_MAX_BYTES)
    return receipt.invoice == offers.invoice_hash(signed_invoice)


def _content_key(order: Order, terms: Terms, invoice: Invoice) -> bytes:
    """Raises ContentKeyInvalid when the invoice does not hold what the offer promised."""
    try:
        offers.check_invoice(invoice, terms.offer, order.order)
    except OfferMismatch as fault:
        raise ContentKeyInvalid(fault.detail) from fault
    return offers.open_content_key(
        terms.suite, order.escrow_key, terms.offer, order.order, invoice.sealed_key
    )


# ---- the file -----------------------------------------------------------------------


def _deliver(
    order: Order, terms: Terms, clock: Clock, segment: bytes | None, again: bool
) -> Rule[Order]:
    if order.content_key is None:
        raise ContentKeyInvalid
    if segment is None and is_small(terms):
        segment = yield from fetch_parcel(order, terms, fresh=False)
    for _ in range(DELIVERY_TRIES):
        try:
            delivered = yield from on_disk(deliver, order, terms, segment, again=again)
        except (PieceMismatch, PaddingInvalid) as fault:
            yield from transact(note_fault, order.order, fault)
            raise
        if delivered.path is not None:
            yield from Tell(IntegrityChecked())
            yield from Tell(FileSaved(delivered.path, order.codes))
            return order.after(WalletEvent.FILE_READY, clock(), file_path=str(delivered.path))
        missing = yield from on_disk(Parcels.missing, order)
        yield from fetch_segments(order, terms, missing)
    raise SegmentDamaged(delivered.damaged[0])


def _acknowledge(order: Order, terms: Terms, clock: Clock) -> Rule[Bought]:
    """The file is in place: release the money to the merchant, then commit DONE."""
    yield from Tell(StepReached("acknowledge"))
    request = Acknowledge(
        operation=operation_id(order.order, "acknowledge"),
        order=order.order,
        signature=sign_action(order.order_seed, order.order, "acknowledge"),
    )
    try:
        yield from AskBroker(request, OrderStatus)
    except WrongOrderState:
        yield from transact(save_order, order)
        yield from _notice_refund(order, clock)
        raise
    except VeilmartError as error:
        # Without this the next run would deliver the file a second time under another name.
        yield from transact(save_order, order)
        error.money_now = MONEY_SAFE
        raise
    order = order.after(WalletEvent.SETTLED, clock())
    yield from transact(save_ended, order)
    if not is_small(terms):
        yield from on_disk(Parcels.drop, order.order)
    yield from Tell(PurchaseDone(order.order))
    return Bought(order, Path(order.file_path or ""))
