"""What the broker may tell its operator. Nothing in here that the broker cannot know."""

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
    """Bytes went by that we cannot read."""

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
    """Something became of an order (32 bytes)."""

    order: bytes


class PaymentHeld(OrderEvent):
    """The price is in escrow."""


class PaymentLapsed(OrderEvent):
    """Nobody paid the invoice in time."""


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
    """Somebody put a voucher on their account."""


@dataclass(frozen=True, slots=True)
class TokensIssued(Event):
    """Tokens were signed for an account."""


@dataclass(frozen=True, slots=True)
class TokenDeposited(Event):
    """Somebody put an unspent token back on their account."""


@dataclass(frozen=True, slots=True)
class TokenSpent(Event):
    """A token was taken; for which order is not said."""


@dataclass(frozen=True, slots=True)
class TokenKeyRetired(Event):
    """A key ended for ever. price: minor units. expired: tokens that were outstanding."""

    price: int
    epoch: int
    expired: int


@dataclass(frozen=True, slots=True)
class MerchantAsked(Event):
    """A merchant wants something of the operator: "join" or "withdrawal"."""

    what: str


@dataclass(frozen=True, slots=True)
class BooksFolded(Event):
    """A month's transactions became one; until: the month's end, Unix seconds."""

    transactions: int
    until: int


@dataclass(frozen=True, slots=True)
class Trouble(Event):
    """A background task failed and will try again."""

    task: str
    error: str
