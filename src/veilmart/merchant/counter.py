"""What every rule of the running merchant works with: the shop, open sessions and the ports."""

from collections.abc import Callable
from dataclasses import dataclass, field

from veilmart.crypto.identity import IdentityKey
from veilmart.merchant.events import Observer
from veilmart.merchant.shop import Shop
from veilmart.merchant.tunnels import Links, Tunnels
from veilmart.protocol.encoding import Message

Clock = Callable[[], int]
Random = Callable[[int], bytes]


@dataclass
class Counter:
    """One per process. `shop` is replaced whole when it changes; nothing else is.

    clock: Unix seconds. random: n → n unpredictable bytes.
    """

    shop: Shop
    identity: IdentityKey = field(repr=False)
    clock: Clock
    random: Random
    observe: Observer
    tunnels: Tunnels = field(default_factory=Tunnels)
    links: Links = field(default_factory=Links)


@dataclass(frozen=True)
class Reply:
    """A rule's answer inside a session: message, its least number of cells, attached bytes."""

    message: Message
    cells: int
    attachment: bytes | None = None
