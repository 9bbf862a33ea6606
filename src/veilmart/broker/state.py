"""A running broker's memory, and its ports to the world: clock, randomness, observer."""

from collections.abc import Callable
from dataclasses import dataclass, field

from veilmart.broker.events import Event
from veilmart.broker.keys.descriptors import OwnDescriptors
from veilmart.broker.keys.token_keys import TokenKeys
from veilmart.broker.merchants import MerchantDirectory
from veilmart.broker.sessions.known_orders import KnownOrders
from veilmart.broker.sessions.session import MemorySessions, SessionStore
from veilmart.broker.sessions.unpaid_room import UnpaidRoom
from veilmart.broker.settings import Settings
from veilmart.protocol.ports import Clock, Random

Observe = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer that ignores every event."""


def nobody_reports(merchant: bytes) -> None:
    """The placeholder for the reporter until the broker runs."""


@dataclass(slots=True)
class BrokerState:
    """fingerprint: ours, 32 bytes. `settings`, `own`, `tokens`, `merchants` follow the database.

    unpaid: orders of every session together that nobody has paid. orders: their terms.
    """

    fingerprint: bytes
    settings: Settings
    own: OwnDescriptors
    clock: Clock
    random: Random
    observe: Observe = ignore
    wake_reporter: Callable[[bytes], None] = nobody_reports
    merchants: MerchantDirectory = field(default_factory=MerchantDirectory)
    sessions: SessionStore = field(default_factory=MemorySessions)
    unpaid: UnpaidRoom = field(default_factory=UnpaidRoom)
    orders: KnownOrders = field(default_factory=KnownOrders)
    tokens: TokenKeys = field(default_factory=TokenKeys)
