"""Room for unpaid orders, limited by owner: an owner with too many loses its own (ADR 13).

An owner is an account, or for an anonymous session the address that it asks from. Addresses stay
in memory. Each worker has a room of its own.
"""

import heapq
from dataclasses import dataclass
from typing import Final

from veilmart.limits import UNPAID_MAX

Owner = tuple[bool, str]
"""(whether it is logged in, account number or address)."""
ASKED_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Crowd:
    """The owner that must drop orders.

    orders: its oldest ones. own: whether it asks for the room itself.
    """

    orders: list[bytes]
    own: bool


class UnpaidRoom:
    """Orders by owner, the oldest first."""

    def __init__(self, most: int = UNPAID_MAX) -> None:
        self._most = most
        self._owners: dict[Owner, dict[bytes, None]] = {}
        self._owner_of: dict[bytes, Owner] = {}
        self._ends: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._owner_of)

    def add(self, order: bytes, owner: Owner, pay_by: int) -> None:
        """An order that can be paid until `pay_by`, Unix seconds."""
        self.remove(order)
        self._owner_of[order] = owner
        self._owners.setdefault(owner, {})[order] = None
        heapq.heappush(self._ends, (pay_by, order))

    def remove(self, order: bytes) -> None:
        """It was paid, or it is gone. An unknown one is fine."""
        owner = self._owner_of.pop(order, None)
        if owner is not None:
            orders = self._owners[owner]
            del orders[order]
            if not orders:
                del self._owners[owner]

    def clear(self) -> None:
        """Forget all of them."""
        self._owners.clear()
        self._owner_of.clear()
        self._ends.clear()

    def crowd(self, owner: Owner, now: int) -> Crowd | None:
        """The owner that must drop orders so that `owner` may have one more.

        None while there is room. Anonymous owners come before accounts, the one with most orders
        first.
        """
        while self._ends and (self._ends[0][0] <= now or self._ends[0][1] not in self._owner_of):
            self.remove(heapq.heappop(self._ends)[1])
        if len(self) < self._most:
            return None
        logged_in, _who = owner
        counts = {each: len(orders) for each, orders in self._owners.items()}
        counts[owner] = counts.get(owner, 0) + 1
        anonymous = {each: count for each, count in counts.items() if not each[0]}
        if not logged_in and len(anonymous) == 1 and owner not in self._owners:
            return Crowd([], own=True)  # accounts have everything
        among = anonymous or counts
        largest = max(among, key=lambda each: (among[each], each == owner))
        return Crowd(list(self._owners.get(largest, ()))[:ASKED_AT_ONCE], own=largest == owner)
