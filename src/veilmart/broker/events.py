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
class PaymentHeld(Event):
    order: bytes


@dataclass(frozen=True, slots=True)
class PaymentLapsed(Event):
    """Nobody paid the invoice in time."""

    order: bytes


@dataclass(frozen=True, slots=True)
class KeyReleased(Event):
    order: bytes


@dataclass(frozen=True, slots=True)
class OrderSettled(Event):
    order: bytes


@dataclass(frozen=True, slots=True)
class OrderRefunded(Event):
    order: bytes


@dataclass(frozen=True, slots=True)
class Trouble(Event):
    """A background task failed and will try again."""

    task: str
    error: str
