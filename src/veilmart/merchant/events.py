"""The events that a running merchant reports; the command line prints them as narration.

`request` is the number R1, R2, ... that this process gave a tunnel in order of first sight; it is
None when the order began before this process did. Amounts: minor units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Listening:
    host: str
    port: int


@dataclass(frozen=True)
class BrokerAuthenticated:
    """fingerprint: 32 bytes."""

    fingerprint: bytes


@dataclass(frozen=True)
class BrokerRefused:
    """reason: an error's sentence."""

    reason: str


@dataclass(frozen=True)
class BrokerAway:
    """name: the broker's. It is dialled again; the event is not repeated until it was reached."""

    name: str
    reason: str


@dataclass(frozen=True)
class AskedToJoin:
    """The broker has not admitted us, and its operator has been asked."""

    name: str


@dataclass(frozen=True)
class CustomerTunnel:
    """suite: name of the suite. session_fingerprint: 16 hexadecimal digits."""

    request: int
    suite: str
    session_fingerprint: str


@dataclass(frozen=True)
class MenuSent:
    request: int


@dataclass(frozen=True)
class Selected:
    request: int
    title: str
    amount: int


@dataclass(frozen=True)
class PaymentStatus:
    """paid: the first segment was asked for; not paid: the offer expired."""

    request: int | None
    paid: bool


@dataclass(frozen=True)
class OrderEnded:
    """settled, or refunded; `total`: funds at the broker after the report that said so.

    returned: refunded after the key was out, on evidence against us or because we gave it back.
    """

    request: int | None
    settled: bool
    total: int
    returned: bool = False


@dataclass(frozen=True)
class FundsReported:
    """The broker's word on the merchant's account, without an order."""

    total: int


@dataclass(frozen=True)
class CatalogueChanged:
    serial: int
    products: int


@dataclass(frozen=True)
class Faulted:
    """Something failed on our side; what: an error's sentence, without message contents."""

    what: str


Event: TypeAlias = (
    Listening
    | BrokerAuthenticated
    | BrokerRefused
    | BrokerAway
    | AskedToJoin
    | CustomerTunnel
    | MenuSent
    | Selected
    | PaymentStatus
    | OrderEnded
    | FundsReported
    | CatalogueChanged
    | Faulted
)
Observer: TypeAlias = Callable[[Event], None]
