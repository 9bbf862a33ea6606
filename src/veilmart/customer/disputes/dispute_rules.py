"""Disputing a faulty delivery (docs/protocol/12-disputes.md).

`examine` finds the fault and sends nothing; the person then decides whether the broker may see it;
`dispute` sends the evidence and records the outcome. Both are safe to run again.
"""

import hashlib

from veilmart.customer.disputes.fault_finder import Complaint, look_for_fault, unsigned_key
from veilmart.customer.effects import AskBroker, on_disk
from veilmart.customer.purchase.completion_rules import ask_key, order_status
from veilmart.customer.purchase.recovery_rules import bring_refund
from veilmart.customer.purchase.segments_rules import fetch_parcel
from veilmart.customer.wallet.orders import Order, save_order, terms_of
from veilmart.customer.wallet.parcels import Parcels, save_ended
from veilmart.errors import (
    EvidenceInvalid,
    JudgedWrongly,
    KeyNotSigned,
    VeilmartError,
    WrongOrderState,
)
from veilmart.protocol.customer_messages import Noted, OrderStatus
from veilmart.protocol.dispute_messages import Dispute, SendEvidence
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.evidence import Finding
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.ports import Clock
from veilmart.protocol.wallet_states import WalletEvent, WalletState

SENDS = 2
WON_SYNC_LATER = "The dispute is won; the token comes back with `veilmart customer sync`."
SETTLED_MONEY = "The merchant has the money; only the merchant can refund it now."


def examine(order: Order, clock: Clock) -> Rule[tuple[Order, Complaint]]:
    """The fault of a released order, and the order as stored now.

    Missing segments are fetched again. Raises NothingToDispute, and WrongOrderState when it is too
    early or too late.
    """
    terms = terms_of(order)
    status = yield from order_status(order)
    _require_released(order, status.state)
    if order.state in (WalletState.CONFIRMING, WalletState.HELD):
        try:
            order = yield from _come_to_released(order, clock)
        except KeyNotSigned:
            return order, unsigned_key(order)
    segment: bytes | None = None
    if order.content_key is not None:
        segment = yield from fetch_parcel(order, terms, fresh=False)
    complaint = yield from on_disk(look_for_fault, order, terms, segment)
    return order, complaint


def _require_released(order: Order, state: str) -> None:
    if order.state in (WalletState.DONE, WalletState.REFUNDED, WalletState.ABANDONED):
        raise WrongOrderState(f"It is {order.state}.")
    if state == InvoiceState.SETTLED:
        raise WrongOrderState("It is settled.", money=SETTLED_MONEY)
    if state == InvoiceState.REFUNDED:
        raise WrongOrderState("It was refunded; `veilmart customer sync` records that.")
    if state != InvoiceState.RELEASED:
        raise WrongOrderState(
            "Its key is not released; `veilmart customer cancel` gets the money back."
        )


def _come_to_released(order: Order, clock: Clock) -> Rule[Order]:
    """The wallet lacks a key that the broker released.

    The answer was lost, or the key was wrong.
    """
    if order.state == WalletState.CONFIRMING:
        order = order.after(WalletEvent.PAID, clock())
    order, _fault = yield from ask_key(order, terms_of(order), clock)
    yield from transact(save_order, order)
    return order


def dispute(order: Order, complaint: Complaint, clock: Clock) -> Rule[Order]:
    """Show the broker the evidence; the refunded order. Raises WrongOrderState when it is too late,
    EvidenceInvalid or JudgedWrongly when the broker does not find the fault.
    """
    left = SENDS
    while True:
        left -= 1
        try:
            yield from _send(order, complaint)
            status = yield from AskBroker(_request(order, complaint), OrderStatus)
            break
        except EvidenceInvalid as fault:
            # Parts may have been dropped at the broker for want of room.
            if not left:
                raise _judged(complaint, fault) from fault
        except WrongOrderState:
            status = yield from order_status(order)
            break
    if status.state != InvoiceState.REFUNDED:
        raise WrongOrderState(f"The broker says that it is {status.state}.", money=SETTLED_MONEY)
    refunded = order.after(WalletEvent.REFUND_SEEN, clock())
    yield from transact(save_ended, refunded)
    yield from on_disk(Parcels.drop, order.order)
    try:
        yield from bring_refund(refunded, clock)
    except VeilmartError as error:
        error.money_now = WON_SYNC_LATER
        raise
    return refunded


def _send(order: Order, complaint: Complaint) -> Rule[None]:
    for number, data in enumerate(complaint.parts()):
        signature = sign_action(order.order_seed, order.order, "evidence", number)
        part = SendEvidence(order=order.order, part=number, data=data, signature=signature)
        yield from AskBroker(part, Noted)


def _request(order: Order, complaint: Complaint) -> Dispute:
    return Dispute(
        operation=operation_id(order.order, "dispute"),
        order=order.order,
        reason=complaint.reason,
        index=complaint.index,
        parts=len(complaint.parts()),
        hash=hashlib.sha256(complaint.evidence).digest(),
        signature=sign_action(order.order_seed, order.order, "dispute", complaint.index),
    )


def _judged(complaint: Complaint, fault: EvidenceInvalid) -> EvidenceInvalid | JudgedWrongly:
    if complaint.finding is not Finding.INVOICE_KEY:
        return JudgedWrongly(f"It says: {fault.detail}")
    detail = "The broker's own copy is right, so it is the broker that hands out another one."
    return EvidenceInvalid(detail, money=KeyNotSigned.money)
