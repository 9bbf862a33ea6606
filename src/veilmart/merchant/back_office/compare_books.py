"""The merchant's own books against the broker's signed statement. Pure.

It compares every entry with the order it names, every ended order of ours with its entries, the
totals with the sums of the entries, and the balance with what follows from them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from veilmart.protocol.accounting import fee_of
from veilmart.protocol.order_states import OrderState
from veilmart.protocol.statement import StatementEntry, StatementTotals

RESTORED_STEP = 1_000_000
"""A restored broker continues with numbers that much higher."""
FOUND_MAX = 1000
"""How many differences are kept: one already proves the statement wrong."""


class Difference(msgspec.Struct, frozen=True):
    """name: stable. row: which order or total. what: a sentence."""

    name: str
    row: str
    what: str


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """price: minor units."""

    price: int
    state: OrderState


@dataclass(slots=True)
class _Story:
    """What the statement says of one order: which events, in order."""

    events: list[str]
    amount: int


def reconcile(
    entries: list[StatementEntry],
    totals: StatementTotals,
    fees: frozenset[int],
    orders: Mapping[bytes, OwnOrder],
    reported: int,
) -> list[Difference]:
    """All differences. reported: sequence of the last report that reached us."""
    stories: dict[bytes, _Story] = {}
    found: list[Difference] = []
    unheard: set[bytes] = set()
    for difference in _entries(entries, fees, orders, reported, stories, unheard):
        _add(found, difference)
    for difference in _missing(orders, stories, unheard):
        _add(found, difference)
    for difference in _totals(entries, totals, orders, stories):
        _add(found, difference)
    return found


def _add(found: list[Difference], difference: Difference) -> None:
    if len(found) < FOUND_MAX:
        found.append(difference)


def _entries(
    entries: list[StatementEntry],
    fees: frozenset[int],
    orders: Mapping[bytes, OwnOrder],
    reported: int,
    stories: dict[bytes, _Story],
    unheard: set[bytes],
) -> Iterator[Difference]:
    last = 0
    for entry in entries:
        row = f"order {entry.order.hex()[:16]}"
        if (entry.sequence - last - 1) % RESTORED_STEP:
            yield Difference("number-missing", row, f"Numbers after {last} are missing.")
        last = entry.sequence
        own = orders.get(entry.order)
        if own is None:
            if entry.event == "settled":
                yield Difference("unknown-sale", row, "It was settled; we have no such order.")
        elif entry.amount != own.price:
            what = f"Its amount is {entry.amount}, our price was {own.price}."
            yield Difference("amount-differs", row, what)
        if not _fee_fits(entry, fees):
            what = f"A fee of {entry.fee} for {entry.amount} is at no rate the broker published."
            yield Difference("fee-differs", row, what)
        story = stories.setdefault(entry.order, _Story([], entry.amount))
        if story.events and (story.events, entry.event) != (["settled"], "returned"):
            yield Difference("ended-twice", row, f"It was {story.events[-1]}, then {entry.event}.")
        story.events.append(entry.event)
        if entry.sequence > reported:
            unheard.add(entry.order)


def _fee_fits(entry: StatementEntry, fees: frozenset[int]) -> bool:
    if entry.event != "settled":
        return entry.fee == 0
    return any(entry.fee == fee_of(entry.amount, rate) for rate in fees)


def _missing(
    orders: Mapping[bytes, OwnOrder], stories: Mapping[bytes, _Story], unheard: set[bytes]
) -> Iterator[Difference]:
    for order, own in orders.items():
        row, story = f"order {order.hex()[:16]}", stories.get(order)
        if story is None:
            if own.state is OrderState.SETTLED:
                yield Difference(
                    "sale-missing", row, "The broker reported a sale that the statement lacks."
                )
            elif own.state is OrderState.REFUNDED:
                yield Difference(
                    "refund-missing", row, "The broker reported a refund that the statement lacks."
                )
            continue
        ended = OrderState.SETTLED if story.events[-1] == "settled" else OrderState.REFUNDED
        if own.state is ended or order in unheard:
            continue
        if own.state is OrderState.SETTLED:
            what = f"The broker reported it settled; the statement says {story.events[-1]}."
            yield Difference("refund-unexplained", row, what)
        else:
            what = f"It is {own.state} in our books, {ended} here."
            yield Difference("outcome-differs", row, what)


def _totals(
    entries: list[StatementEntry],
    totals: StatementTotals,
    orders: Mapping[bytes, OwnOrder],
    stories: Mapping[bytes, _Story],
) -> Iterator[Difference]:
    settled = sum(entry.amount for entry in entries if entry.event == "settled")
    fees = sum(entry.fee for entry in entries)
    given_back = sum(s.amount for s in stories.values() if s.events[:2] == ["settled", "returned"])
    back = sum(entry.amount for entry in entries if entry.event != "settled")
    sums = {
        "settled": (totals.settled, settled),
        "fees": (totals.fees, fees),
        "refunded": (totals.refunded, back - given_back),
        "given back": (totals.given_back, given_back),
    }
    for name, (said, summed) in sums.items():
        if said != summed:
            what = f"The statement says {said}, its entries make {summed}."
            yield Difference("total-differs", name, what)
    follows = settled - fees - given_back + totals.credited - totals.paid_out
    if follows != totals.balance:
        what = f"The statement says {totals.balance}, its entries and payouts make {follows}."
        yield Difference("balance-differs", "balance", what)
    waiting = sum(
        own.price
        for order, own in orders.items()
        if own.state is OrderState.PAID and order not in stories
    )
    if waiting > totals.held + totals.released:
        what = f"{totals.held + totals.released} is held; our unfinished orders make {waiting}."
        yield Difference("open-differs", "escrow", what)
