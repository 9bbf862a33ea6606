"""The split of products into shelves with the least padding such that each holds at least k.

A shelf has one price, so prices are planned one by one. Within a price, products sorted by size
stand on shelves that are runs of that order: exchanging a larger product for a smaller one never
makes a shelf longer. With the sizes B_j rounded as section 8.2 of the protocol says, and f_m(j)
the fewest bytes that hold the first j products on m shelves,

    f_m(j) = min over i <= j - k of  f_(m-1)(i) + (j - i) * B_j

For one j the terms are lines in B_j with the slope -i; slopes fall and B_j grows, so the lower
envelope is a queue and a layer takes n steps. The prices then share the number of shelves that a
merchant may have. The result is exact; of equally good ones it has the fewest shelves.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from veilmart.crypto.padding import shelf_bytes
from veilmart.errors import BadArgument

K = TypeVar("K")
_Layer = list[tuple[int, int]]
"""For every j: (fewest bytes, where the last shelf begins); bytes are _NEVER when impossible."""
_NEVER = 1 << 100


@dataclass(frozen=True)
class Item(Generic[K]):
    """price: minor units. packed: bytes without filler."""

    key: K
    price: int
    packed: int


@dataclass(frozen=True)
class PlannedShelf(Generic[K]):
    """size: bytes of each padded product. short: fewer than k, there are no more at this price."""

    price: int
    size: int
    items: tuple[Item[K], ...]
    short: bool

    @property
    def stored(self) -> int:
        """Bytes with padding."""
        return self.size * len(self.items)

    @property
    def padding(self) -> int:
        """Bytes of filler."""
        return self.stored - sum(item.packed for item in self.items)


def plan_shelves(items: Sequence[Item[K]], k: int, shelves_max: int) -> list[PlannedShelf[K]]:
    """Shelves by price and size. A price with fewer than k products gets one short shelf.

    Raises BadArgument for k below 1, and when there are more prices than shelves.
    """
    if k < 1:
        raise BadArgument("A shelf holds at least one product.")
    rows: dict[int, list[Item[K]]] = {}
    for item in sorted(items, key=lambda item: (item.price, item.packed)):
        rows.setdefault(item.price, []).append(item)
    if len(rows) > shelves_max:
        raise BadArgument(f"{len(rows)} prices do not fit on {shelves_max} shelves.")
    room = shelves_max - len(rows) + 1
    solved = [_Row(row, k, room) for row in rows.values()]
    planned: list[PlannedShelf[K]] = []
    for row, shelves in zip(
        solved, _share([row.costs for row in solved], shelves_max), strict=True
    ):
        planned += row.cut(shelves)
    return planned


class _Row(Generic[K]):
    """One price: products by size, and the layers of the recurrence."""

    def __init__(self, items: list[Item[K]], k: int, shelves_max: int) -> None:
        self._items = items
        self._short = len(items) < k
        self._sizes = [shelf_bytes(item.packed) for item in items]
        k = min(k, len(items))
        self._layers: list[_Layer] = [[(0, 0)] + [(_NEVER, 0)] * len(items)]
        for _ in range(min(shelves_max, len(items) // k)):
            self._layers.append(_next_layer(self._layers[-1], self._sizes, k))

    @property
    def costs(self) -> list[int]:
        """Fewest bytes on 0, 1, 2 ... shelves."""
        return [layer[-1][0] for layer in self._layers]

    def cut(self, shelves: int) -> list[PlannedShelf[K]]:
        found = []
        end = len(self._items)
        for layer in reversed(self._layers[1 : shelves + 1]):
            begin = layer[end][1]
            run = tuple(self._items[begin:end])
            found.append(PlannedShelf(run[0].price, self._sizes[end - 1], run, self._short))
            end = begin
        return found[::-1]


def _next_layer(before: _Layer, sizes: list[int], k: int) -> _Layer:
    layer: _Layer = [(_NEVER, 0)] * len(before)
    envelope: deque[tuple[int, int]] = deque()  # (i, f(i)): the line f(i) - i * B
    for j in range(k, len(before)):
        i = j - k
        if before[i][0] < _NEVER:
            _add_line(envelope, i, before[i][0])
        if not envelope:
            continue
        size = sizes[j - 1]
        while len(envelope) > 1 and _at(envelope[1], size) <= _at(envelope[0], size):
            envelope.popleft()
        layer[j] = (_at(envelope[0], size) + j * size, envelope[0][0])
    return layer


def _at(line: tuple[int, int], size: int) -> int:
    return line[1] - line[0] * size


def _add_line(envelope: deque[tuple[int, int]], i: int, f: int) -> None:
    """Keep only lines that are the lowest somewhere; the new one has the steepest fall."""
    while len(envelope) > 1:
        (i1, f1), (i2, f2) = envelope[-2], envelope[-1]
        # Line 2 is nowhere lowest if 1 and the new one cross before 1 and 2 do.
        if (f - f1) * (i2 - i1) > (f2 - f1) * (i - i1):
            break
        envelope.pop()
    envelope.append((i, f))


def _share(costs: list[list[int]], shelves_max: int) -> list[int]:
    """How many shelves each price gets: least sum, then fewest shelves."""
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}
    for row in costs:
        following: dict[int, tuple[int, list[int]]] = {}
        for used, (cost, chosen) in best.items():
            for shelves, more in enumerate(row):
                total = used + shelves
                if more >= _NEVER or not shelves or total > shelves_max:
                    continue
                if total not in following or cost + more < following[total][0]:
                    following[total] = (cost + more, [*chosen, shelves])
        best = following
    _, (_, chosen) = min(best.items(), key=lambda found: (found[1][0], found[0]))
    return chosen
