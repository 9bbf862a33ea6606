"""Interrupted purchases, and refunds after the end (docs/protocol/09-purchase.md, 9.4).

HELD, RELEASED and DELIVERED orders are finished. A CONFIRMING order is one whose Pay may
or may not have reached the broker, so the broker is asked:

- It holds the money: the purchase goes on. Pay is sent once more, which charges nothing (the
  operation is the same) and brings the receipt.
- It refunded: REFUNDED.
- It has no payment: the order is abandoned. Paying it now would be allowed, but would charge the
  person at a moment at which they did not ask for it; they can buy anew and are asked again.

An order that a token pays is finished instead: its token is committed to it, and only spending it
brings its value back, as a purchase or as its refund token.

A Pay that was still in transit when the order was abandoned may take effect later. The wallet
therefore asks about an abandoned order until its time to pay is over, and cancels it if it is held;
that returns the whole amount.

A merchant may refund a settled order until the broker folds the month in which it ended (page
12.4): two months and some days at most. `sync` asks for as long.
"""

from dataclasses import dataclass
from pathlib import Path

from veilmart.customer.effects import AskBroker, on_disk
from veilmart.customer.purchase.completion_rules import REFUNDED, complete, order_status
from veilmart.customer.purchase.payment_rules import fetch_refund, renew_refund
from veilmart.customer.purchase.purchase_rules import (
    CERTAINLY_UNPAID,
    PaidOrder,
    money_may_be_held,
    pay,
)
from veilmart.customer.wallet.held_tokens import orders_without_refund
from veilmart.customer.wallet.orders import (
    UNFINISHED,
    Order,
    order_key,
    orders_in,
    save_order,
    terms_of,
)
from veilmart.customer.wallet.parcels import Parcels, save_ended
from veilmart.customer.wallet.tokens import token_of_order
from veilmart.customer.wallet.wallet import Wallet, unfinished
from veilmart.errors import (
    MONEY_SAFE,
    NotLoggedIn,
    OfferExpired,
    OrderUnknown,
    RefundKeyUnfit,
    Refusal,
    VeilmartError,
    WrongOrderState,
)
from veilmart.limits import CLOCK_SKEW_SECONDS, REFUND_WATCH_SECONDS
from veilmart.protocol.customer_messages import Cancel, OrderStatus
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.ports import Clock
from veilmart.protocol.wallet_states import WalletEvent, WalletState

_PAID = (InvoiceState.HELD, InvoiceState.RELEASED, InvoiceState.SETTLED)


@dataclass(frozen=True)
class Recovered:
    """outcome: "done", "refunded", "abandoned" or "cancelled". path: the file of a done one."""

    order: Order
    outcome: str
    path: Path | None = None


def recover(order: Order, clock: Clock) -> Rule[Recovered]:
    """Finish, refund or abandon one order. Raises what `complete` raises.

    A refunded order that a token paid brings its refund token.
    """
    if order.state == WalletState.REFUNDED and order.spend is not None:
        recovered = Recovered(order, "refunded")
    else:
        recovered = yield from _recover(order, clock)
    if recovered.outcome in ("refunded", "cancelled"):
        yield from bring_refund(recovered.order, clock)
    return recovered


def _recover(order: Order, clock: Clock) -> Rule[Recovered]:
    if order.state == WalletState.ABANDONED:
        return (yield from _recall(order))
    if order.state not in UNFINISHED:
        raise WrongOrderState(f"It is {order.state}.")
    first: bytes | memoryview = b""
    if order.state == WalletState.CONFIRMING:
        state = yield from _asked_state(order)
        if state == InvoiceState.REFUNDED:
            return (yield from _end(order, WalletEvent.REFUND_SEEN, "refunded", clock))
        if state in _PAID:
            order = yield from _receipt_again(order, clock)
        elif order.spend is None:
            return (yield from _end(order, WalletEvent.OFFER_LOST, "abandoned", clock))
        else:
            paid = yield from _spend_again(order, clock)
            if isinstance(paid, Recovered):
                return paid
            order, first = paid.order, paid.segment
    try:
        bought = yield from complete(order, terms_of(order), clock, fresh=False, first=first)
    except WrongOrderState as error:
        if error.money_now != REFUNDED:
            raise
        return Recovered(order, "refunded")
    except VeilmartError as error:
        raise money_may_be_held(error) from error.__cause__
    return Recovered(bought.order, "done", bought.path)


def _spend_again(order: Order, clock: Clock) -> Rule[PaidOrder | Recovered]:
    """The token belongs to this order, so it is sent (again): it pays, or is exchanged."""
    broker = read_descriptor(order.broker_descriptor)
    try:
        try:
            return (yield from pay(order, terms_of(order), broker, clock))
        except RefundKeyUnfit:
            order = yield from renew_refund(order, clock)
            return (yield from pay(order, terms_of(order), broker, clock))
    except OfferExpired:
        return Recovered(order, "refunded")
    except CERTAINLY_UNPAID:
        return Recovered(order, "abandoned")


def bring_refund(order: Order, clock: Clock) -> Rule[None]:
    """The refund token of a refunded order that a token paid, unless it is here already."""
    if order.spend is None:
        return
    token = yield from transact(token_of_order, order_key(order))
    if token is None:
        yield from fetch_refund(order, clock)


def may_still_be_paid(order: Order, now: int) -> bool:
    """Whether an abandoned order has to be asked about again."""
    if order.state != WalletState.ABANDONED:
        return False
    return now < terms_of(order).offer.pay_by + CLOCK_SKEW_SECONDS


def cancel(order: Order, clock: Clock) -> Rule[Recovered]:
    """Give a purchase up before its key is out. Raises WrongOrderState once it is too late.

    A token that was chosen is spent first: only so does it come back.
    """
    if order.state not in (WalletState.CONFIRMING, WalletState.HELD):
        raise WrongOrderState(f"It is {order.state}.", money=MONEY_SAFE)
    state = yield from _asked_state(order)
    if state in (InvoiceState.OFFERED, InvoiceState.EXPIRED):
        if order.spend is None:
            return (yield from _end(order, WalletEvent.OFFER_LOST, "abandoned", clock))
        paid = yield from _spend_again(order, clock)
        if isinstance(paid, Recovered):
            return paid
        order = paid.order
    if state != InvoiceState.REFUNDED:
        yield from _send_cancel(order)
    cancelled = yield from _end(order, WalletEvent.REFUND_SEEN, "cancelled", clock)
    yield from bring_refund(cancelled.order, clock)
    return cancelled


def _recall(order: Order) -> Rule[Recovered]:
    state = yield from _asked_state(order)
    if state != InvoiceState.HELD:
        return Recovered(order, "abandoned")
    yield from _send_cancel(order)
    return Recovered(order, "cancelled")


def _send_cancel(order: Order) -> Rule[None]:
    request = Cancel(
        operation=operation_id(order.order, "cancel"),
        order=order.order,
        signature=sign_action(order.order_seed, order.order, "cancel"),
    )
    yield from AskBroker(request, OrderStatus)


def _asked_state(order: Order) -> Rule[str]:
    try:
        status = yield from order_status(order)
    except OrderUnknown:
        return InvoiceState.EXPIRED
    return status.state


def _receipt_again(order: Order, clock: Clock) -> Rule[Order]:
    """Without a login, or once the broker has forgotten the operation, it goes on without."""
    broker = read_descriptor(order.broker_descriptor)
    try:
        paid = yield from pay(order, terms_of(order), broker, clock, known_held=True)
    except (NotLoggedIn, Refusal):
        return order
    return paid.order


def _end(order: Order, event: WalletEvent, outcome: str, clock: Clock) -> Rule[Recovered]:
    ended = order.after(event, clock())
    yield from transact(save_ended, ended)
    yield from on_disk(Parcels.drop, order.order)
    return Recovered(ended, outcome)


def to_sync(wallet: Wallet) -> list[Order]:
    """The orders that `sync` has work with, oldest first.

    Unfinished ones, abandoned ones whose time to pay is not over, and those whose refund token has
    not come.
    """
    now = wallet.clock()
    abandoned = wallet.database.run_now(orders_in, (WalletState.ABANDONED,))
    unpaid = [order for order in abandoned if may_still_be_paid(order, now)]
    return unpaid + wallet.database.run_now(orders_without_refund) + unfinished(wallet)


def may_be_refunded(wallet: Wallet) -> list[Order]:
    """Finished orders that the merchant may still refund, oldest first."""
    begin = wallet.clock() - REFUND_WATCH_SECONDS
    done = wallet.database.run_now(orders_in, (WalletState.DONE,))
    return [order for order in reversed(done) if order.changed_at >= begin]


def find_late_refund(order: Order, clock: Clock) -> Rule[Recovered | None]:
    """Ask the broker whether a finished order was refunded; None if not. The file stays.

    An order that a token paid brings its refund token; if that fails, the next sync brings it.
    """
    status = yield from order_status(order)
    if status.state != InvoiceState.REFUNDED:
        return None
    refunded = order.after(WalletEvent.REFUND_SEEN, clock())
    yield from transact(save_order, refunded)
    yield from bring_refund(refunded, clock)
    return Recovered(refunded, "returned")
