"""The operator's settings, and a revision that says when they changed.

Every command that changes something a running broker keeps in memory counts `revision` up; the
broker looks at it once a second.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, select

from veilmart.broker.schema import tables
from veilmart.characters import is_plain
from veilmart.errors import BadArgument, NotInitialised
from veilmart.limits import FEE_MAX_BASIS_POINTS, PRICE_POINTS_MAX
from veilmart.protocol.encoding import Message, decode, encode
from veilmart.storage.database.columns import insert as upsert
from veilmart.storage.database.isolation import snapshot

DEFAULT_CURRENCY = "EUR"
DEFAULT_NAME = "broker"
DEFAULT_PRICE_POINTS = (100, 200, 500, 1000, 2000, 5000)
SECRET_BYTES = 32
OPEN = "open"
INVITATION = "invitation"
CLOSED = "closed"
_FEE = "fee"
_REGISTRATION = "registration"
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
    """price_points: minor units, ascending. guess_secret: 32 bytes.

    registration: "open", "invitation" or "closed". fee_basis_points: our share of a sale.
    """

    name: str
    currency: str
    decimals: int
    price_points: tuple[int, ...]
    guess_secret: bytes = field(repr=False)
    registration: str = OPEN
    fee_basis_points: int = 0


def first_price_points(decimals: int) -> tuple[int, ...]:
    """Of a new broker: 1.00 to 50.00, or 100 to 5,000 where nothing is minor."""
    return tuple(point * 10 ** max(0, decimals - 2) for point in DEFAULT_PRICE_POINTS)


def replace(conn: Connection, fresh: Settings) -> None:
    """The broker's settings from now on. Raises BadArgument."""
    if not fresh.name or len(fresh.name) > 64 or not is_plain(fresh.name):
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
    registration = conn.execute(_get, {"of": _REGISTRATION}).scalar_one_or_none()
    return Settings(
        stored.name,
        stored.currency,
        stored.decimals,
        points,
        guess_secret=stored.guess_secret,
        registration=OPEN if registration is None else registration.decode(),
        fee_basis_points=number(conn, _FEE),
    )


def set_registration(conn: Connection, mode: str) -> None:
    """Who may open an account from now on. Raises BadArgument."""
    if mode not in (OPEN, INVITATION, CLOSED):
        raise BadArgument("Registration is open, by invitation, or closed.")
    conn.execute(_put, {"name": _REGISTRATION, "value": mode.encode()})
    touch(conn)


def set_fee(conn: Connection, basis_points: int) -> None:
    """Our share of every sale invoiced from now on. Raises BadArgument."""
    if not 0 <= basis_points <= FEE_MAX_BASIS_POINTS:
        most = FEE_MAX_BASIS_POINTS
        raise BadArgument(f"A fee has 0 to {most} basis points, which is {most / 100:g} per cent.")
    set_number(conn, _FEE, basis_points)
    touch(conn)


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
    return number(conn, "revision")


def touch(conn: Connection) -> None:
    """Make a running broker load its settings again."""
    set_number(conn, "revision", revision(conn) + 1)


def number(conn: Connection, name: str) -> int:
    """A number kept under a name; 0 when there is none."""
    value = conn.execute(_get, {"of": name}).scalar_one_or_none()
    return 0 if value is None else int.from_bytes(value, "big")


def set_number(conn: Connection, name: str, value: int) -> None:
    conn.execute(_put, {"name": name, "value": value.to_bytes(8, "big")})


def remove(conn: Connection, name: str) -> None:
    """Delete a setting."""
    conn.execute(delete(tables.settings).where(tables.settings.c.name == name))
