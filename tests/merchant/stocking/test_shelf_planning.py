"""The planner against every possible split, and the paper's own figures."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st

from veilmart.crypto.padding import padme, shelf_bytes
from veilmart.errors import BadArgument
from veilmart.merchant.stocking.anonymity_report import (
    ShelfReport,
    best_guess,
    chart_svg,
    effective_set,
)
from veilmart.merchant.stocking.shelf_planning import Item, plan_shelves


def splits(sizes: list[int]) -> Iterator[list[list[int]]]:
    """Every partition of the products, not only runs by size."""
    if not sizes:
        yield []
        return
    first, rest = sizes[0], sizes[1:]
    for count in range(len(rest) + 1):
        for chosen in itertools.combinations(range(len(rest)), count):
            group = [first, *(rest[i] for i in chosen)]
            for others in splits([rest[i] for i in range(len(rest)) if i not in chosen]):
                yield [group, *others]


def least(sizes: list[int], k: int, shelves_max: int) -> tuple[int, int]:
    """(bytes, shelves) of the best split, by trying all."""
    return min(
        (sum(len(group) * max(map(shelf_bytes, group)) for group in split), len(split))
        for split in splits(sizes)
        if all(len(group) >= k for group in split) and len(split) <= shelves_max
    )


SIZE = st.one_of(st.integers(1, 5000), st.integers(60_000, 300_000))


@settings(max_examples=60, deadline=None)
@given(st.lists(SIZE, min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 3))
def test_the_plan_is_the_best_of_all_splits(sizes: list[int], k: int, shelves_max: int) -> None:
    planned = plan_shelves([Item(i, 100, s) for i, s in enumerate(sizes)], k, shelves_max)
    found = (sum(shelf.stored for shelf in planned), len(planned))
    assert found == least(sizes, min(k, len(sizes)), shelves_max)
    assert sorted(item.key for shelf in planned for item in shelf.items) == list(range(len(sizes)))
    assert all(shelf.short == (len(sizes) < k) for shelf in planned)
    assert all(item.packed <= shelf.size for shelf in planned for item in shelf.items)


@settings(max_examples=20, deadline=None)
@given(st.lists(SIZE, min_size=2, max_size=5), st.lists(SIZE, min_size=2, max_size=5))
def test_prices_share_the_shelves_that_a_merchant_may_have(a: list[int], b: list[int]) -> None:
    items = [Item(("a", i), 100, s) for i, s in enumerate(a)]
    items += [Item(("b", i), 200, s) for i, s in enumerate(b)]
    planned = plan_shelves(items, 1, 4)
    best = min(
        least(a, 1, first)[0] + least(b, 1, second)[0] for first, second in ((1, 3), (2, 2), (3, 1))
    )
    assert sum(shelf.stored for shelf in planned) == best
    assert len(planned) <= 4
    assert {shelf.price for shelf in planned} == {100, 200}


def test_a_plan_by_hand() -> None:
    """Nine products, k = 3: 3 of 1 KiB, 3 of 4 KiB, 3 of 66 KiB."""
    sizes = [900, 1000, 1024, 3000, 4000, 4096, 65_000, 66_000, 67_000]
    planned = plan_shelves([Item(size, 500, size) for size in sizes], 3, 64)
    assert [(shelf.size, len(shelf.items)) for shelf in planned] == [
        (1024, 3),
        (4096, 3),
        (66 * 1024, 3),
    ]
    assert [shelf.padding for shelf in planned] == [3072 - 2924, 12_288 - 11_096, 202_752 - 198_000]


def test_thousands_of_products_on_64_shelves() -> None:
    items = [Item(i, 100 * (1 + i % 3), 1 + i * i) for i in range(3000)]
    planned = plan_shelves(items, 5, 64)
    assert len(planned) <= 64
    assert min(len(shelf.items) for shelf in planned) >= 5
    assert sum(len(shelf.items) for shelf in planned) == 3000


def test_what_cannot_be_planned() -> None:
    items = [Item(i, 100 * (1 + i), 10) for i in range(3)]
    with pytest.raises(BadArgument):
        plan_shelves(items, 5, 2)
    with pytest.raises(BadArgument):
        plan_shelves(items, 0, 64)
    assert all(shelf.short for shelf in plan_shelves(items, 2, 3))
    assert plan_shelves([], 5, 64) == []


@pytest.mark.parametrize(
    ("length", "exponent", "kept", "padded"),
    [
        # E = floor(log2 L), S = floor(log2 E) + 1; the last E - S bits become zero, upwards.
        (9, 3, 2, 10),  # 1001 -> 1010
        (200, 7, 3, 208),  # 1100 1000 -> 1101 0000
        (1_000, 9, 4, 1_024),  # 11 1110 1000 -> 100 0000 0000
        (65_537, 16, 5, 67_584),  # one more than 2^16: the next multiple of 2^11
        (1_000_000, 19, 5, 1_015_808),  # 61 * 2^14 = 999424 < L: 62 * 2^14
        (2**30 + 1, 30, 5, 2**30 + 2**25),
        (2**40 + 1, 40, 6, 2**40 + 2**34),
    ],
)
def test_padme_by_hand(length: int, exponent: int, kept: int, padded: int) -> None:
    """PoPETs 2019(4), section 4, algorithm 1, step by step."""
    assert 2**exponent <= length < 2 ** (exponent + 1)
    assert 2 ** (kept - 1) <= exponent < 2**kept
    unit = 2 ** (exponent - kept)
    assert padded % unit == 0 and padded - unit < length <= padded
    assert padme(length) == padded


@pytest.mark.parametrize(
    ("counts", "size", "guess"),
    [
        ([], 0.0, 0.0),
        ([7], 1.0, 1.0),
        ([3, 3, 3, 3], 4.0, 0.25),
        ([2, 1, 1], 2**1.5, 0.5),
        ([1, 0, 1], 2.0, 0.5),
    ],
)
def test_the_effective_anonymity_set(counts: list[int], size: float, guess: float) -> None:
    assert effective_set(counts) == pytest.approx(size)
    assert best_guess(counts) == guess


def test_the_chart_shows_names_as_text() -> None:
    report = ShelfReport("<a & b>", "5.00", 1024, 5, 10, 3.5, 0.4, 0.1)
    drawn = chart_svg([report])
    assert "&lt;a &amp; b&gt;" in drawn and "3.5 of 5, guess 40%" in drawn
    assert drawn.count("<rect") == 3
