"""The state that the running merchant's rules work with: the shop, open sessions and the ports."""

from dataclasses import dataclass, field

from veilmart.crypto.identity import IdentityKey
from veilmart.merchant.events import Observer
from veilmart.merchant.publishing.snapshot import Shop
from veilmart.merchant.server.tunnels import Links, Tunnels
from veilmart.protocol.ports import Clock, Random


@dataclass
class MerchantState:
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
