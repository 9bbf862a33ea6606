"""The state of a wallet that has a seed: its random id, its order counter, its time of day.

Transactions, safe to run again. The counter is stored before anything derived from it is sent.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, exists, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.schema.token_tables import restored_at, seeded_wallet
from veilmart.errors import Misuse, NoSeed, NotRestoredHere, WalletOutdated, WalletReplaced

_ONLY = 1
CURRENT, RESTORING, REPLACED, OUTDATED = "current", "restoring", "replaced", "outdated"
_t = seeded_wallet.c
_SEEDED = select(_t.wallet, _t.state, _t.next_order, _t.refill_second)
_RESTORED_AT = select(restored_at.c.broker)
_TAKE = (
    update(seeded_wallet)
    .where(
        _t.state != REPLACED,
        _t.state != OUTDATED,
        or_(~exists(restored_at.c.broker), exists().where(restored_at.c.broker == bindparam("at"))),
    )
    .values(next_order=_t.next_order + 1)
    .returning(_t.next_order - 1)
)


@dataclass(frozen=True)
class SeededWallet:
    """wallet: random id, 16 bytes. refill_second: of the day (UTC) at which stocks are refilled."""

    wallet: bytes
    state: str
    next_order: int
    refill_second: int


def seeded(connection: Connection) -> SeededWallet | None:
    row = connection.execute(_SEEDED).first()
    return None if row is None else SeededWallet(*row)


def usable(connection: Connection) -> SeededWallet:
    """Raises NoSeed; WalletReplaced, WalletOutdated when it has to be restored first."""
    found = seeded(connection)
    if found is None:
        raise NoSeed
    if found.state == REPLACED:
        raise WalletReplaced
    if found.state == OUTDATED:
        raise WalletOutdated
    return found


def save_seeded(connection: Connection, wallet: SeededWallet) -> None:
    values = {"id": _ONLY, **vars(wallet)}
    given = insert(seeded_wallet).values(values)
    connection.execute(given.on_conflict_do_update(index_elements=["id"], set_=vars(wallet)))


def set_state(connection: Connection, state: str) -> None:
    connection.execute(update(seeded_wallet).values(state=state))


def take_order_number(connection: Connection, broker: bytes) -> int:
    """The number of the next order key; nobody gets it twice. broker: who will be shown it.

    Raises as `usable`, and NotRestoredHere where a wallet that came from its words has not read
    the broker's list of orders: a number that was used there could come again.
    """
    number = connection.execute(_TAKE, {"at": broker}).scalar_one_or_none()
    if number is not None:
        return int(number)
    restored = set(connection.execute(_RESTORED_AT).scalars())
    if restored and broker not in restored:
        raise NotRestoredHere
    usable(connection)
    raise Misuse("A wallet that can be used did not count its order.")


def note_restored(connection: Connection, broker: bytes) -> None:
    """What the wallet's words made at this broker is known now."""
    connection.execute(insert(restored_at).values(broker=broker).on_conflict_do_nothing())


def orders_go_on_at(connection: Connection, number: int) -> None:
    """Continue at this number or higher: lower ones may have been used."""
    query = update(seeded_wallet).where(_t.next_order < number)
    connection.execute(query.values(next_order=number))
