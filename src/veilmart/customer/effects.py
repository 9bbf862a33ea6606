"""Effects of the customer's rules, performed by connection/performer.py or by a simulator."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from veilmart.customer.events import Event
from veilmart.customer.quote import Quote
from veilmart.customer.wallet.parcels import Parcels
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Effect, Rule

K = TypeVar("K")
T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class TakeRequestNumber(Effect[bytes]):
    """A request number (16 bytes) of the current session, for one tunnel."""


@dataclass(frozen=True, slots=True)
class AskBroker(Effect[K]):
    """Put a request to the broker; the answer is of `kind`.

    bound: the request belongs to the session it names, so it is not repeated in a new one.
    """

    request: BrokerRequest
    kind: type[K]
    bound: bool = False


@dataclass(frozen=True, slots=True)
class AskAttached(Effect[tuple[K, bytes | memoryview]]):
    """As `AskBroker`, where a segment may follow: the answer of `kind`, and its bytes, unverified.

    A request that had to be repeated may bring its stored answer with no segment.
    """

    request: BrokerRequest
    kind: type[K]


@dataclass(frozen=True, slots=True)
class GetPublic(Effect[bytes]):
    """GET "/v1/..." from the broker, outside of any session; the answer is its bytes."""

    path: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class DrawOrderSeed(Effect[bytes]):
    """The seed (32 bytes) of a fresh order key: derived where the wallet has a seed, else random.

    Raises WalletLocked, WalletReplaced, WalletOutdated.
    """


@dataclass(frozen=True, slots=True)
class UnlockedSeed(Effect[bytes]):
    """The wallet's seed, 32 bytes. Raises WalletLocked."""


@dataclass(frozen=True, slots=True)
class NextRequestNumber(Effect[None]):
    """Hand back the number (16 bytes) that came with the answer to Open."""

    number: bytes


@dataclass(frozen=True, slots=True)
class Confirm(Effect[bool]):
    """Ask the person whether to pay; the answer is a bool."""

    quote: Quote


@dataclass(frozen=True, slots=True)
class Tell(Effect[None]):
    event: Event


@dataclass(frozen=True, slots=True)
class Pace(Effect[float]):
    """The time on a clock that only goes forward; with `since`, first wait for the next slot.

    since: what an earlier `Pace` answered. Whatever was done in between, what is sent afterwards
    leaves 1, 2, 3, ... times `slot_seconds` after it.
    """

    slot_seconds: float
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Later(Effect[None]):
    """Run `rule()` in the background. The connection closes when it has ended.

    Its failure is reported as `SettlementFailed`, not raised: `sync` does it again.
    """

    rule: Callable[[], Rule[object]]


@dataclass(frozen=True, slots=True)
class Together(Effect[None]):
    """Run `rule(index)` for every index, at most `at_once` at a time."""

    rule: Callable[[int], Rule[None]]
    indices: tuple[int, ...]
    at_once: int


@dataclass(frozen=True, slots=True)
class KnownBalance(Effect[int]):
    """The balance in minor units that the broker named last; asked for when there is none."""

    at_least: int


@dataclass(frozen=True, slots=True)
class BrokerDescriptor(Effect[SignedDescriptor]):
    """The broker's `SignedDescriptor`; with `fresh`, fetched and checked anew."""

    fresh: bool = False


@dataclass(frozen=True, slots=True)
class OnDisk(Effect[T]):
    """Run a blocking function on the parcels, outside the event loop. Made by `on_disk`."""

    function: Callable[..., T]
    args: tuple[object, ...] = field(default=(), repr=False)


def on_disk(
    function: Callable[Concatenate[Parcels, P], T], *args: P.args, **kwargs: P.kwargs
) -> OnDisk[T]:
    """The effect that calls `function(parcels, *args, **kwargs)`; its result is the answer."""
    return OnDisk(partial(function, **kwargs) if kwargs else function, args)
