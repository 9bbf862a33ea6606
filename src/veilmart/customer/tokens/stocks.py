"""Stocks of tokens that an account keeps: transactions, and when one is refilled.

By a whole pack, on a day that it is short, within the wallet's own hours of the day, and never
because something was bought: the hour says nothing about purchases.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from veilmart.customer.schema.token_tables import stocks
from veilmart.customer.wallet.seed import DAY_SECONDS
from veilmart.customer.wallet.seed_state import seeded
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import NoSeed
from veilmart.limits import REFILL_WINDOW_SECONDS


@dataclass(frozen=True)
class Stock:
    """pack: tokens. refilled_on: day, counted from 1970 at the wallet's own time of day."""

    broker: bytes
    price: int
    pack: int
    refilled_on: int


def keep_stock(connection: Connection, broker: bytes, price: int, pack: int, today: int) -> None:
    """From tomorrow on `sync` refills it."""
    values = {"broker": broker, "price": price, "pack": pack, "refilled_on": today}
    given = insert(stocks).values(values)
    change = {"pack": pack, "refilled_on": today}
    connection.execute(given.on_conflict_do_update(index_elements=["broker", "price"], set_=change))


def drop_stock(connection: Connection, broker: bytes, price: int) -> None:
    connection.execute(delete(stocks).where(stocks.c.broker == broker, stocks.c.price == price))


def all_stocks(connection: Connection) -> list[Stock]:
    t = stocks.c
    rows = connection.execute(select(t.broker, t.price, t.pack, t.refilled_on).order_by(t.price))
    return [Stock(*row) for row in rows]


def own_day(now: int, refill_second: int) -> tuple[int, int]:
    """(day, seconds into it), where days begin at the wallet's own time."""
    return divmod(now - refill_second, DAY_SECONDS)


def due_stocks(wallet: Wallet) -> list[Stock]:
    """Those whose time it is now, and that were not looked at today."""
    stored, state = wallet.database.run_now(all_stocks), wallet.database.run_now(seeded)
    if not stored or state is None:
        return []
    day, second = own_day(wallet.clock(), state.refill_second)
    if second >= REFILL_WINDOW_SECONDS:
        return []
    return [stock for stock in stored if stock.refilled_on < day]


def window(wallet: Wallet) -> tuple[int, int]:
    """When today's time for refilling began and ends, Unix seconds. Raises NoSeed."""
    state = wallet.database.run_now(seeded)
    if state is None:
        raise NoSeed
    _, second = own_day(wallet.clock(), state.refill_second)
    began = wallet.clock() - second
    return began, began + REFILL_WINDOW_SECONDS


def note_day(connection: Connection, stock: Stock, day: int) -> None:
    query = update(stocks).where(stocks.c.broker == stock.broker, stocks.c.price == stock.price)
    connection.execute(query.values(refilled_on=day))
