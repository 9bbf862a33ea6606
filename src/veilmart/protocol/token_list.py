"""The token keys that a broker's descriptor lists (docs/protocol/11-tokens.md, 11.1).

Entries of 48 bytes: key id (32) ‖ LE64(price) ‖ LE64(epoch), by epoch, then price. Two keys for one
price and epoch would tell people apart, so such a list stops the wallet.
"""

from dataclasses import dataclass

from veilmart.errors import MalformedMessage, TokenKeysForked
from veilmart.limits import (
    EPOCH_SECONDS,
    INTEGER_MAX,
    SPEND_AFTER_EPOCH_SECONDS,
)
from veilmart.protocol.descriptor import Descriptor

EXTENSION = "tokens"
ENTRY_BYTES = 48
ENTRIES_MAX = 256


@dataclass(frozen=True, slots=True, order=True)
class ListedKey:
    """price: minor units. key: id, 32 bytes."""

    epoch: int
    price: int
    key: bytes

    @property
    def spend_until(self) -> int:
        """Unix seconds."""
        return (self.epoch + 1) * EPOCH_SECONDS + SPEND_AFTER_EPOCH_SECONDS


def listed_keys(descriptor: Descriptor) -> tuple[ListedKey, ...]:
    """Raises MalformedMessage; TokenKeysForked for two keys of one price and epoch."""
    data = descriptor.extensions.get(EXTENSION, b"")
    if len(data) % ENTRY_BYTES or len(data) > ENTRIES_MAX * ENTRY_BYTES:
        raise MalformedMessage("The list of token keys has an impossible length.")
    found = []
    for start in range(0, len(data), ENTRY_BYTES):
        price = int.from_bytes(data[start + 32 : start + 40], "little")
        epoch = int.from_bytes(data[start + 40 : start + 48], "little")
        if not (0 < price <= INTEGER_MAX and epoch <= INTEGER_MAX // EPOCH_SECONDS - 3):
            raise MalformedMessage("A token key has an impossible price or epoch.")
        found.append(ListedKey(epoch, price, data[start : start + 32]))
    places = [(key.epoch, key.price) for key in found]
    if len(set(places)) != len(places):
        raise TokenKeysForked
    if places != sorted(places):
        raise MalformedMessage("The list of token keys is not in order.")
    return tuple(found)


def issuing_key(keys: tuple[ListedKey, ...], price: int, now: int) -> ListedKey | None:
    """The key that issues tokens of this price now."""
    wanted = (now // EPOCH_SECONDS, price)
    return next((key for key in keys if (key.epoch, key.price) == wanted), None)
