"""Choosing which connections to close when there are too many.

Only connections that wait for their peer are closed: for a header, for the rest of a body, for the
next request. The address with the most such connections loses its longest-waiting one first. An
address with a thousand slow sockets therefore loses its own connections, and behind one proxy the
slowest are closed. A connection whose request is being answered stays.
"""

import heapq
from collections.abc import Iterable
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """owner: who is at the other end. waiting_since: seconds of one clock, None while answering."""

    @property
    def owner(self) -> str: ...
    @property
    def waiting_since(self) -> float | None: ...


Connection = TypeVar("Connection", bound=Waiting)


def to_cut(connections: Iterable[Connection], count: int) -> list[Connection]:
    """At most `count` connections, in the order in which they go."""
    owned: dict[str, list[tuple[float, int, Connection]]] = {}
    for number, connection in enumerate(connections):
        since = connection.waiting_since
        if since is not None:
            owned.setdefault(connection.owner, []).append((since, number, connection))
    for waiting in owned.values():
        waiting.sort(reverse=True)  # the longest-waiting is taken from the end
    most = [(-len(waiting), waiting[-1][0], owner) for owner, waiting in owned.items()]
    heapq.heapify(most)
    found: list[Connection] = []
    while most and len(found) < count:
        _, _, owner = heapq.heappop(most)
        waiting = owned[owner]
        found.append(waiting.pop()[2])
        if waiting:
            heapq.heappush(most, (-len(waiting), waiting[-1][0], owner))
    return found
