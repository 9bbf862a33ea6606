"""Small things the operator decides, and a number that says when they changed.

Every command that changes something a running broker keeps in memory counts `revision` up; the
broker looks at it once a second.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, select

from veilmart.broker import tables
from veilmart.errors import BadArgument, NotInitialised
from veilmart.limits import PRICE_POINTS_MAX
from veilmart.protocol.encoding import Message, decode, encode
from veilmart.storage.isolation import snapshot
from veilmart.storage.upsert import insert as upsert

DEFAULT_CURRENCY = "EUR"
DEFAULT_DECIMALS = 2
DEFAULT_NAME = "broker"
DEFAULT_PRICE_POINTS = (100, 200, 500, 1000, 2000, 5000)
SECRET_BYTES = 32
_MAX_BYTES = 1024

_get = select(tables.settings.c.value).where(tables.settings.c.name == bindparam("of"))
_set = upsert(tables.settings)
_put = _set.on_conflict_do_update(
    index_elements=[tables.settings.c.name], set_={"value": _set.excluded.value}
)
_all_points = select(tables.price_points.c.amount).order_by(tables.price_points.c.amount)
_no_points = delete(tables.price_points)
_new_point = insert(tables.price_points)


class _Stored(Message, frozen=True):
    name: str
    currency: str
    decimals: int
    guess_secret: bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """price_points: minor units, ascending. guess_secret: 32 bytes."""

    name: str
    currency: str
    decimals: int
    price_points: tuple[int, ...]
    guess_secret: bytes = field(repr=False)


def replace(conn: Connection, fresh: Settings) -> None:
    """The broker's settings from now on. Raises BadArgument."""
    if not fresh.name or len(fresh.name) > 64 or not fresh.name.isprintable():
        raise BadArgument("A broker's name has 1 to 64 printable characters.")
    if not (
        fresh.currency.isascii() and fresh.currency.isalnum() and 3 <= len(fresh.currency) <= 8
    ):
        raise BadArgument("A currency is 3 to 8 letters, like EUR.")
    stored = _Stored(
        name=fresh.name,
        currency=fresh.currency,
        decimals=fresh.decimals,
        guess_secret=fresh.guess_secret,
    )
    conn.execute(_put, {"name": "broker", "value": encode(stored)})
    set_price_points(conn, fresh.price_points)


def load(conn: Connection) -> Settings:
    """Raises NotInitialised before `replace`."""
    value = conn.execute(_get, {"of": "broker"}).scalar_one_or_none()
    if value is None:
        raise NotInitialised
    stored = decode(_Stored, value, _MAX_BYTES)
    points = tuple(int(amount) for amount in conn.execute(_all_points).scalars())
    return Settings(
        stored.name, stored.currency, stored.decimals, points, guess_secret=stored.guess_secret
    )


def set_price_points(conn: Connection, amounts: tuple[int, ...]) -> None:
    """Replace them. Raises BadArgument unless there are 1 to 32 different positive amounts."""
    points = sorted(set(amounts))
    if not 1 <= len(points) <= PRICE_POINTS_MAX or points[0] <= 0:
        raise BadArgument(f"A broker has 1 to {PRICE_POINTS_MAX} price points above zero.")
    conn.execute(_no_points)
    conn.execute(_new_point, [{"amount": amount} for amount in points])
    touch(conn)


@snapshot
def revision(conn: Connection) -> int:
    """Grows when a command changed what a running broker keeps in memory."""
    value = conn.execute(_get, {"of": "revision"}).scalar_one_or_none()
    return 0 if value is None else int.from_bytes(value, "big")


def touch(conn: Connection) -> None:
    """Tell a running broker to look again."""
    count = revision(conn) + 1
    conn.execute(_put, {"name": "revision", "value": count.to_bytes(8, "big")})
