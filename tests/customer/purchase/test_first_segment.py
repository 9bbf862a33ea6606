"""What a wallet does with the segment that comes with the answer to its payment."""

from pathlib import Path
from typing import Any

import pytest

from tests.customer.purchase.buying import buy, only_order, recovered
from tests.support.scripted_customer import CONTENT, Keys, Killed, Market
from veilmart.customer.events import SegmentRefetched, SegmentStored
from veilmart.customer.wallet.wallet import Wallet
from veilmart.limits import PIECE_BYTES

BIG = bytes(range(256)) * 4096 * 2 + b"end"


class Counted(Market):
    """A market that counts the segments that are asked for by themselves."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.served: list[int] = []

    def serve(self, request: Any) -> bytes:
        self.served.append(request.index)
        return super().serve(request)

    def stored(self) -> list[int]:
        return [event.index for event in self.told if isinstance(event, SegmentStored)]


@pytest.fixture
def small(wallet: Wallet, keys: Keys) -> Counted:
    return Counted(wallet, keys)


@pytest.fixture
def big(wallet: Wallet, keys: Keys) -> Counted:
    return Counted(wallet, keys, content=BIG, size=3 * PIECE_BYTES)


def test_a_small_parcel_needs_no_request_of_its_own(small: Counted, tmp_path: Path) -> None:
    assert buy(small, tmp_path).path.read_bytes() == CONTENT
    assert (small.served, small.stored()) == ([], [0])


def test_of_a_large_parcel_the_others_are_asked_for(big: Counted, tmp_path: Path) -> None:
    assert buy(big, tmp_path).path.read_bytes() == BIG
    assert (big.served, sorted(big.stored())) == ([1, 2], [0, 1, 2])


@pytest.mark.parametrize("kind", ["small", "big"])
def test_one_that_does_not_come_is_asked_for(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    market: Counted = request.getfixturevalue(kind)
    market.first_comes = False
    content = buy(market, tmp_path).path.read_bytes()
    assert content == {"small": CONTENT, "big": BIG}[kind]
    assert market.served == {"small": [0], "big": [0, 1, 2]}[kind]
    assert not any(isinstance(event, SegmentRefetched) for event in market.told)


@pytest.mark.parametrize("kind", ["small", "big"])
@pytest.mark.parametrize("damage", [lambda s: s[:-1], lambda s: s + b"\0", lambda s: bytes(len(s))])
def test_one_that_was_damaged_on_the_way_is_asked_for_again(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, damage: Any
) -> None:
    market: Counted = request.getfixturevalue(kind)
    market.tricks.segment = lambda index, attempt, segment: (
        damage(segment) if (index, attempt) == (0, 0) else segment
    )
    content = buy(market, tmp_path).path.read_bytes()
    assert content == {"small": CONTENT, "big": BIG}[kind]
    assert 0 in market.served
    assert SegmentRefetched(0) in market.told


def test_a_lost_answer_costs_the_segment_that_came_with_it(small: Counted, tmp_path: Path) -> None:
    """The wallet dies on the answer to its payment; its next run asks for receipt and segment."""
    pay = small.attached

    def dying(request: Any) -> Any:
        pay(request)
        small.attached = pay  # type: ignore[method-assign]
        raise Killed

    small.attached = dying  # type: ignore[method-assign]
    with pytest.raises(Killed):
        buy(small, tmp_path)
    assert only_order(small.wallet).state == "confirming"
    (found,) = recovered(small)
    assert (found.outcome, small.served) == ("done", [0])
    assert small.balance == 9_500
