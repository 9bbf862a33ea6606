"""Customers' tunnels in memory, found by request number alone, and the links of brokers.

Bounded in number and time; when there is no room the oldest goes. Losing one costs its customer
a new handshake.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from veilmart.errors import SessionUnknown, UnknownRequestNumber
from veilmart.limits import REQUEST_NUMBER_SECONDS, SESSION_SECONDS, TUNNELS_MAX
from veilmart.merchant.publishing.descriptors import Published
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.merchant_messages import Offered, Select

LINKS_MAX = 256
LINKS_UNPROVED_MAX = 8192
PROOF_WITHIN_SECONDS = 30


@dataclass
class Tunnel:
    """One customer's tunnel. broker: fingerprint of the link it came through (32 bytes).

    label: n of R<n>. chosen: the one order of this tunnel, with its answer, for a repetition.
    """

    keys: SessionKeys
    broker: bytes
    published: Published
    label: int
    expires_at: int
    used: bool = False
    choosing: bool = False
    chosen: tuple[Select, Offered, bytes] | None = None


@dataclass
class Link:
    """A broker's session. Until it has proved itself it can do nothing but prove itself."""

    keys: SessionKeys
    broker: bytes
    expires_at: int
    proved: bool = False


class Tunnels:
    """Request number (16 bytes) → tunnel."""

    def __init__(self, maximum: int = TUNNELS_MAX) -> None:
        self._tunnels: OrderedDict[bytes, Tunnel] = OrderedDict()
        self._labels: OrderedDict[bytes, int] = OrderedDict()
        self._maximum = maximum
        self._seen = 0

    def __len__(self) -> int:
        return len(self._tunnels)

    def open(self, keys: SessionKeys, broker: bytes, published: Published, now: int) -> Tunnel:
        """A repeated handshake replaces a tunnel that nothing came through yet.

        Raises UnknownRequestNumber for a number in use: a number is good for one tunnel.
        """
        number = keys.session_id
        earlier = self._tunnels.get(number)
        if earlier is not None and (earlier.used or earlier.broker != broker):
            raise UnknownRequestNumber("It has been used.")
        if earlier is None:
            self._seen += 1
        label = self._seen if earlier is None else earlier.label
        expires_at = min(now + REQUEST_NUMBER_SECONDS, published.known.descriptor.not_after)
        tunnel = Tunnel(keys, broker, published, label, expires_at)
        self._tunnels[number] = tunnel
        if len(self._tunnels) > self._maximum:
            self._tunnels.popitem(last=False)
        return tunnel

    def known(self, number: bytes) -> Tunnel | None:
        """Also an expired one, and one of another customer."""
        return self._tunnels.get(number)

    def take_over(self, number: bytes, tunnel: Tunnel) -> None:
        """A tunnel that another worker has opened or used."""
        self._tunnels[number] = tunnel
        if len(self._tunnels) > self._maximum:
            self._tunnels.popitem(last=False)

    def find(self, number: bytes, broker: bytes, now: int) -> Tunnel:
        """Raises UnknownRequestNumber, also for a number that came through another broker."""
        tunnel = self._tunnels.get(number)
        if tunnel is None or tunnel.broker != broker or tunnel.expires_at <= now:
            raise UnknownRequestNumber
        return tunnel

    def name_order(self, order: bytes, label: int) -> None:
        """Remember for the narration, in memory only, which R<n> an order belongs to."""
        self._labels[order] = label
        if len(self._labels) > self._maximum:
            self._labels.popitem(last=False)

    def label_of(self, order: bytes) -> int | None:
        return self._labels.get(order)

    def forget_order(self, order: bytes) -> int | None:
        """The order's label, which nobody will ask for again."""
        return self._labels.pop(order, None)

    def drop_expired(self, now: int) -> None:
        for number in list(_expired(self._tunnels, now)):
            del self._tunnels[number]


class Links:
    """Session id (16 bytes) → link."""

    def __init__(self) -> None:
        self._proved: OrderedDict[bytes, Link] = OrderedDict()
        self._unproved: OrderedDict[bytes, Link] = OrderedDict()

    def __len__(self) -> int:
        return len(self._proved) + len(self._unproved)

    def open(self, keys: SessionKeys, broker: bytes, now: int) -> None:
        """A link that still has to be proved; strangers can only push out each other."""
        self._unproved[keys.session_id] = Link(keys, broker, now + PROOF_WITHIN_SECONDS)
        if len(self._unproved) > LINKS_UNPROVED_MAX:
            self._unproved.popitem(last=False)

    def known(self, session_id: bytes) -> Link | None:
        """Also an expired one."""
        return self._proved.get(session_id) or self._unproved.get(session_id)

    def take_over(self, link: Link) -> None:
        """A link that another worker has opened or seen proved."""
        self.drop(link)
        links = self._proved if link.proved else self._unproved
        links[link.keys.session_id] = link
        if len(links) > (LINKS_MAX if link.proved else LINKS_UNPROVED_MAX):
            links.popitem(last=False)

    def prove(self, link: Link, now: int) -> None:
        """Raises SessionUnknown when it was dropped meanwhile."""
        if self._unproved.pop(link.keys.session_id, None) is not link:
            raise SessionUnknown
        link.proved = True
        link.expires_at = now + SESSION_SECONDS
        self._proved[link.keys.session_id] = link
        if len(self._proved) > LINKS_MAX:
            self._proved.popitem(last=False)

    def find(self, session_id: bytes, now: int) -> Link:
        """Raises SessionUnknown."""
        link = self._proved.get(session_id) or self._unproved.get(session_id)
        if link is None or link.expires_at <= now:
            raise SessionUnknown
        return link

    def drop(self, link: Link) -> None:
        self._proved.pop(link.keys.session_id, None)
        self._unproved.pop(link.keys.session_id, None)

    def drop_expired(self, now: int) -> None:
        for sessions in (self._proved, self._unproved):
            for session_id in list(_expired(sessions, now)):
                del sessions[session_id]


def _expired(
    sessions: OrderedDict[bytes, Tunnel] | OrderedDict[bytes, Link], now: int
) -> Iterator[bytes]:
    for number, session in sessions.items():
        if session.expires_at <= now:
            yield number
