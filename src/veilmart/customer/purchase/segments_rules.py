"""Fetching a parcel: every segment verified, and durable before the key is asked for.

docs/protocol/09-purchase.md, step 7. The first segment comes with the payment's answer; where it
does not, or does not verify, it is fetched like the others. A small parcel is handed on in memory
and becomes durable with the HELD commit; the segments of a large one are files.
"""

from collections.abc import Callable
from functools import partial

from veilmart.customer.effects import (
    AskAttached,
    Tell,
    Together,
    on_disk,
)
from veilmart.customer.events import ParcelBegun, SegmentRefetched, SegmentStored, StepReached
from veilmart.customer.wallet.orders import Order, Terms
from veilmart.customer.wallet.parcels import (
    Parcels,
    is_small,
    keep_segment,
    store_segment,
    stored_segment,
)
from veilmart.errors import MalformedMessage, SignatureInvalid
from veilmart.limits import SEGMENTS_IN_FLIGHT
from veilmart.protocol.customer_messages import GetSegment, SegmentFollows
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.order_key import sign_action
from veilmart.protocol.parcel import check_segment, segment_length

SEGMENT_TRIES = 4


def fetch_parcel(
    order: Order, terms: Terms, *, fresh: bool, first: bytes | memoryview = b""
) -> Rule[bytes | None]:
    """All that is missing. A small parcel's segment, or None when everything is on the disk.

    fresh: nothing was fetched before, and the caller stores a small parcel itself. first: its first
    segment, unverified, if it is here already.
    """
    yield from Tell(StepReached("segment"))
    if is_small(terms):
        return (yield from _small_parcel(order, terms, first, fresh=fresh))
    indices: tuple[int, ...] = tuple(range(terms.count))
    if not fresh:
        indices = yield from on_disk(Parcels.missing, order)
    yield from fetch_segments(order, terms, indices, first)
    return None


def fetch_segments(
    order: Order, terms: Terms, indices: tuple[int, ...], first: bytes | memoryview = b""
) -> Rule[None]:
    """These segments of a large parcel, verified and durable on the disk. first: segment 0."""
    yield from Tell(_begun(terms, terms.count - len(indices)))
    if first and 0 in indices and (yield from _took(order, terms, first)):
        indices = tuple(index for index in indices if index)
    if indices:
        store = partial(_store_segment, order, terms)
        yield from Together(store, indices, SEGMENTS_IN_FLIGHT)
    yield from on_disk(Parcels.make_durable, order.order)


def _took(order: Order, terms: Terms, first: bytes | memoryview) -> Rule[bool]:
    """Whether segment 0, as it came with the payment's answer, is good; it is stored then."""
    try:
        yield from on_disk(keep_segment, order.order, 0, terms.offer.size, terms.signing_key, first)
    except (MalformedMessage, SignatureInvalid):
        yield from Tell(SegmentRefetched(0))
        return False
    yield from Tell(SegmentStored(0, len(first)))
    return True


def _small_parcel(
    order: Order, terms: Terms, first: bytes | memoryview, *, fresh: bool
) -> Rule[bytes]:
    if not fresh:
        stored = yield from transact(stored_segment, order.order)
        if stored is not None and _verifies(order, terms, stored):
            yield from Tell(_begun(terms, terms.count))
            return stored
    yield from Tell(_begun(terms, 0))
    if not _verifies(order, terms, first):
        if first:
            yield from Tell(SegmentRefetched(0))
        first = yield from _fetch_segment(order, terms, 0, partial(_check, order, terms))
    segment = bytes(first)
    if not fresh:
        yield from transact(store_segment, order.order, segment)
    yield from Tell(SegmentStored(0, len(segment)))
    return segment


def _verifies(order: Order, terms: Terms, segment: bytes | memoryview) -> bool:
    try:
        check_segment(terms.signing_key, order.order, 0, terms.offer.size, segment)
    except (MalformedMessage, SignatureInvalid):
        return False
    return True


def _begun(terms: Terms, stored: int) -> ParcelBegun:
    size, count = terms.offer.size, terms.count
    total = segment_length(size, 0) * (count - 1) + segment_length(size, count - 1)
    return ParcelBegun(stored, count, total)


def _store_segment(order: Order, terms: Terms, index: int) -> Rule[None]:
    """Verified where it is written: hashing a piece takes a thread's time, not the event loop's."""
    size, key = terms.offer.size, terms.signing_key

    def store(segment: bytes | memoryview) -> Rule[None]:
        yield from on_disk(keep_segment, order.order, index, size, key, segment)

    segment = yield from _fetch_segment(order, terms, index, store)
    yield from Tell(SegmentStored(index, len(segment)))


def _check(order: Order, terms: Terms, segment: bytes | memoryview) -> Rule[None]:
    check_segment(terms.signing_key, order.order, 0, terms.offer.size, segment)
    yield from ()


def _fetch_segment(
    order: Order, terms: Terms, index: int, accept: Callable[[bytes | memoryview], Rule[None]]
) -> Rule[bytes | memoryview]:
    """One segment; what does not verify was damaged on the way and is asked for again.

    accept: raises MalformedMessage or SignatureInvalid for one that does not.
    """
    signature = sign_action(order.order_seed, order.order, "segment", index)
    request = GetSegment(order=order.order, index=index, signature=signature)
    left = SEGMENT_TRIES
    while True:
        answer, segment = yield from AskAttached(request, SegmentFollows)
        if answer.length != len(segment):
            segment = b""  # never the right length
        left -= 1
        try:
            yield from accept(segment)
        except (MalformedMessage, SignatureInvalid):
            if not left:
                raise
            yield from Tell(SegmentRefetched(index))
            continue
        return segment
