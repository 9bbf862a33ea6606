"""Keys and descriptor over time: what has ended is retired, what is missing is noticed."""

from veilmart.broker.events import TokenKeyRetired
from veilmart.broker.keys import token_keys
from veilmart.broker.state import BrokerState
from veilmart.broker.tokens import key_retirement
from veilmart.limits import DESCRIPTOR_OVERLAP_SECONDS
from veilmart.storage.database.port import Database


async def rotate(database: Database, state: BrokerState) -> bool:
    """Retire token keys that are over; whether keys or the descriptor have to be made anew."""
    retired = False
    while (ended := await database.run(key_retirement.retire_next, state.clock())) is not None:
        state.observe(TokenKeyRetired(ended.price, ended.epoch, ended.expired))
        retired = True
    missing = await database.run(token_keys.missing, state.clock())
    left = state.own.newest.not_after - state.clock()
    return retired or bool(missing) or left < DESCRIPTOR_OVERLAP_SECONDS
