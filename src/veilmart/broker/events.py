"""The events that a broker reports to its operator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened. Events hold no secrets."""


@dataclass(frozen=True, slots=True)
class Listening(Event):
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Identified(Event):
    """fingerprint: of the broker's identity (32), which its operator tells everybody."""

    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class MerchantAuthenticated(Event):
    name: str
    group: str
    session_fingerprint: str


@dataclass(frozen=True, slots=True)
class MerchantLost(Event):
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CustomerSession(Event):
    group: str
    session_fingerprint: str


@dataclass(frozen=True, slots=True)
class CustomerAuthenticated(Event):
    username: str


@dataclass(frozen=True, slots=True)
class CustomerRefused(Event):
    pass


@dataclass(frozen=True, slots=True)
class TunnelCarried(Event):
    """A customer and a merchant have agreed on keys, through us."""

    request_number: bytes
    merchant: str


@dataclass(frozen=True, slots=True)
class RequestForwarded(Event):
    """Sealed bytes were forwarded."""

    request_number: bytes
    request_bytes: int
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class AwaitingPayment(Event):
    """amount: minor units."""

    request_number: bytes
    order: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class OrderEvent(Event):
    """The state of an order (32 bytes) changed."""

    order: bytes


class PaymentHeld(OrderEvent):
    """The price is in escrow."""


class PaymentLapsed(OrderEvent):
    """The invoice was not paid in time."""


class KeyReleased(OrderEvent):
    """The customer has the sealed key."""


class OrderSettled(OrderEvent):
    """The merchant has the money."""


class OrderRefunded(OrderEvent):
    """The customer has the money back."""


class OrderReturned(OrderEvent):
    """The merchant gave the customer the money back."""


class DisputeWon(OrderEvent):
    """The merchant's own signature shows its fault; the customer has the money back."""


class DisputeRefused(OrderEvent):
    """The evidence shows no fault of the merchant; nothing was changed."""


@dataclass(frozen=True, slots=True)
class VoucherRedeemed(Event):
    """A customer redeemed a voucher."""


@dataclass(frozen=True, slots=True)
class TokensIssued(Event):
    """Tokens were signed for an account."""


@dataclass(frozen=True, slots=True)
class TokenDeposited(Event):
    """A customer deposited an unspent token."""


@dataclass(frozen=True, slots=True)
class TokenSpent(Event):
    """A token was spent; the event does not name the order."""


@dataclass(frozen=True, slots=True)
class TokenKeyRetired(Event):
    """A key ended for ever. price: minor units. expired: tokens that were outstanding."""

    price: int
    epoch: int
    expired: int


@dataclass(frozen=True, slots=True)
class MerchantAsked(Event):
    """A merchant sent a request to the operator: "join" or "withdrawal"."""

    what: str


@dataclass(frozen=True, slots=True)
class BooksFolded(Event):
    """A month's transactions became one; until: the month's end, Unix seconds."""

    transactions: int
    until: int


@dataclass(frozen=True, slots=True)
class TaskFailed(Event):
    """A background task failed and will try again."""

    task: str
    error: str
