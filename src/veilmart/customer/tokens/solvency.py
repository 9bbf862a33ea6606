"""The broker's solvency line, as anybody may fetch and check it (docs/protocol/11-tokens.md, 11.6).

For each token key: withdrawn + reissued = redeemed + returned + expired + outstanding.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from veilmart.customer.effects import BrokerDescriptor, GetPublic
from veilmart.errors import MalformedMessage
from veilmart.limits import BODY_MAX_BYTES, INTEGER_MAX
from veilmart.protocol.effects import Rule
from veilmart.protocol.token_list import listed_keys

Count = Annotated[int, msgspec.Meta(ge=0, le=INTEGER_MAX)]
Id = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class KeyLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of tokens of one key. id: 32 bytes. price: minor units."""

    id: Id
    price: Count
    epoch: Count
    withdrawn: Count
    reissued: Count
    redeemed: Count
    returned: Count
    expired: Count
    outstanding: Count

    @property
    def holds(self) -> bool:
        given = self.withdrawn + self.reissued
        return given == self.redeemed + self.returned + self.expired + self.outstanding


class _Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at: Count
    keys: list[KeyLine]


@dataclass(frozen=True)
class Solvency:
    """at: Unix seconds. missing: ids of keys that the descriptor lists and the statement lacks."""

    at: int
    keys: list[KeyLine]
    missing: list[bytes]

    @property
    def holds(self) -> bool:
        return not self.missing and all(line.holds for line in self.keys)


def read_solvency() -> Rule[Solvency]:
    """Fetch and check it. Raises MalformedMessage."""
    data = yield from GetPublic("/v1/solvency", BODY_MAX_BYTES)
    broker = yield from BrokerDescriptor()
    try:
        said = msgspec.msgpack.decode(data, type=_Statement)
    except msgspec.MsgspecError as fault:
        raise MalformedMessage("The solvency line cannot be read.") from fault
    there = {(line.id, line.price, line.epoch) for line in said.keys}
    listed = listed_keys(broker.descriptor)
    missing = [key.key for key in listed if (key.key, key.price, key.epoch) not in there]
    return Solvency(said.at, said.keys, missing)
