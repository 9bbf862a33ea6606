"""What the customer's rules ask of the world; app.py performs it, a simulator may instead."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from veilmart.customer.complaints import Complaint
from veilmart.customer.copies import Copy
from veilmart.customer.delivery import Delivered
from veilmart.customer.events import Event
from veilmart.customer.order import Order, Terms
from veilmart.customer.quote import Quote
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import GetSegment
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Effect, Rule

K = TypeVar("K")


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
class AskSegment(Effect[bytes | memoryview]):
    """Fetch a signed segment of `length` bytes; the answer is its bytes, unverified."""

    request: GetSegment
    length: int


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
class BrokerPapers(Effect[SignedDescriptor]):
    """The broker's `SignedDescriptor`; with `fresh`, fetched and checked anew."""

    fresh: bool = False


@dataclass(frozen=True, slots=True)
class StoreSegment(Effect[None]):
    """Verify a segment of a large parcel and write it to the disk.

    size: of the padded product. signing_key: the merchant's, 32 bytes. Raises MalformedMessage and
    SignatureInvalid for one that was damaged on the way.
    """

    order: bytes
    index: int
    size: int
    signing_key: bytes
    segment: bytes | memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class MakeDurable(Effect[None]):
    """Sync the stored segments of an order to the disk."""

    order: bytes


@dataclass(frozen=True, slots=True)
class MissingSegments(Effect[tuple[int, ...]]):
    """Which segments are not stored, or are damaged: a tuple of indices."""

    order: Order


@dataclass(frozen=True, slots=True)
class MissingPieces(Effect[tuple[int, ...]]):
    """Which pieces of a copy of `size` bytes are not stored, or are damaged."""

    copy: Copy
    size: int


@dataclass(frozen=True, slots=True)
class StorePiece(Effect[None]):
    """Write a verified piece of a copy, named by 32 bytes, of `size` padded bytes."""

    name: bytes
    index: int
    size: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeliverCopy(Effect[Delivered]):
    """Put a copy's pieces together to the finished file; the answer is a `Delivered`."""

    copy: Copy
    order: Order


@dataclass(frozen=True, slots=True)
class Deliver(Effect[Delivered]):
    """Open every segment into the finished file; the answer is a `Delivered`.

    segment: a small parcel's only one, verified; None to read them from the disk. again: an earlier
    run may have finished the file and been killed before it could note that down.
    """

    order: Order
    terms: Terms
    segment: bytes | None = field(default=None, repr=False)
    again: bool = False


@dataclass(frozen=True, slots=True)
class FindFault(Effect[Complaint]):
    """What is wrong with a RELEASED order; the answer is a `Complaint`.

    segment: as in `Deliver`. Raises NothingToDispute.
    """

    order: Order
    terms: Terms
    segment: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DropParcel(Effect[None]):
    """Remove the stored segments: the file is ready, or never will be."""

    order: bytes
