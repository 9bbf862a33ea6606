"""The broker's token keys: one RSA-2048 key for each price point and epoch, for ever.

docs/protocol/11-tokens.md, 11.1. (price, epoch) is unique in the database: the first process to
store a key wins, and the other keys are dropped unpublished. A retired key stays retired whatever
the clock says; there is never a second one for its price and epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, insert, select, update

from veilmart.broker import settings
from veilmart.broker.ledger import booking
from veilmart.broker.ledger.hot_rows import are_deferred
from veilmart.broker.schema import tables
from veilmart.broker.schema.token_tables import token_keys
from veilmart.crypto.blind_issuer import IssuerKey
from veilmart.crypto.token_key import (
    TokenPublicKey,
    generate_token_key,
    parse_token_key,
    token_key_from_bytes,
    token_key_to_bytes,
    token_public_key,
)
from veilmart.errors import BadArgument, TokenKeyEnded, TokenKeyUnknown
from veilmart.limits import (
    EPOCH_SECONDS,
    SPEND_AFTER_EPOCH_SECONDS,
    TOKEN_KEY_EARLY_SECONDS,
    TOKEN_KEYS_MAX,
)
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.encoding import le64
from veilmart.storage.database.prepared import Prepared

EXTENSION = "tokens"
_FIRST_EPOCH = "first token epoch"
SCARCE_BELOW = 1024
"""Outstanding tokens of a key: more than transactions of all servers together run at once."""

_k = token_keys.c
_row = select(_k.number, _k.id, _k.price, _k.epoch, _k.account, _k.spki, _k.retired_at, _k.scarce)
# Shared: anyone who lets money go by a key keeps it from being retired at the same moment.
_locked = Prepared(_row.where(_k.id == bindparam("of")).with_for_update(read=True))
_by_id = Prepared(_row.where(_k.id == bindparam("of")))
_by_number = Prepared(_row.where(_k.number == bindparam("of")).with_for_update(read=True))
_living = _row.where(_k.retired_at.is_(None)).order_by(_k.epoch, _k.price)
_secrets = select(_k.id, _k.secret).where(_k.retired_at.is_(None))
_add = insert(token_keys)
_one_by_one = (
    update(token_keys).where(_k.number == bindparam("of"), _k.scarce == 0).values(scarce=1)
)
_has_plenty = (
    select(_k.number)
    .where(_k.scarce == 1, _k.retired_at.is_(None))
    .where(
        select(booking.true_balance)
        .where(tables.accounts.c.id == _k.account)
        .correlate(token_keys)
        .scalar_subquery()
        >= 2 * SCARCE_BELOW * _k.price
    )
)
_side_by_side = update(token_keys).where(_k.number == bindparam("of")).values(scarce=0)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """number: ours. id: 32 bytes. price: minor units. account: of its outstanding tokens.

    scarce: where several servers share the books, its tokens are taken one by one, each from the
    balance itself. Otherwise so many are outstanding that all spends under way together cannot
    use them up, and what they take is added up later.
    """

    number: int
    id: bytes
    price: int
    epoch: int
    account: int
    spki: bytes = field(repr=False)
    retired_at: int | None
    scarce: int = 1

    @property
    def public(self) -> TokenPublicKey:
        return parse_token_key(self.spki)

    def is_over(self, now: int) -> bool:
        """Whether its tokens are worth nothing any more."""
        return self.retired_at is not None or now >= spend_until(self.epoch)

    def issues(self, now: int) -> bool:
        return not self.is_over(now) and self.epoch == epoch_of(now)

    def refunds(self, now: int) -> bool:
        """Whether an order that is paid now may be refunded under it."""
        epochs = (epoch_of(now), epoch_of(now - TOKEN_KEY_EARLY_SECONDS))
        return not self.is_over(now) and self.epoch in epochs


@dataclass(frozen=True, slots=True)
class LivingKey:
    """A key with its private half, in memory."""

    row: KeyRow
    secret: IssuerKey = field(repr=False)


class TokenKeys:
    """The keys that are not retired, by id, as this process last saw them."""

    def __init__(self, keys: tuple[LivingKey, ...] = ()) -> None:
        self._keys = {key.row.id: key for key in keys}

    def find(self, key_id: bytes) -> LivingKey | None:
        return self._keys.get(key_id)


def epoch_of(now: int) -> int:
    return now // EPOCH_SECONDS


def issue_from(epoch: int) -> int:
    """When the keys of an epoch begin to issue, Unix seconds."""
    return epoch * EPOCH_SECONDS


def spend_until(epoch: int) -> int:
    """When the tokens of an epoch's keys end, Unix seconds."""
    return (epoch + 1) * EPOCH_SECONDS + SPEND_AFTER_EPOCH_SECONDS


def find_key(conn: Connection, key_id: bytes) -> KeyRow | None:
    """Any key there ever was."""
    row = _by_id.row(conn, {"of": key_id})
    return None if row is None else KeyRow(*row)


def lock_key(conn: Connection, key_id: bytes) -> KeyRow | None:
    """As `find_key`; it is not retired before this transaction ends."""
    row = _locked.row(conn, {"of": key_id})
    return None if row is None else KeyRow(*row)


def lock_numbered(conn: Connection, number: int) -> KeyRow:
    """As `lock_key`, by our own number."""
    return KeyRow(*_by_number.one(conn, {"of": number}))


def spendable(conn: Connection, key_id: bytes, now: int) -> KeyRow:
    """Raises TokenKeyUnknown, TokenKeyEnded."""
    key = lock_key(conn, key_id)
    if key is None:
        raise TokenKeyUnknown
    if key.is_over(now):
        raise TokenKeyEnded
    return key


def issuing(conn: Connection, key_id: bytes, now: int) -> KeyRow:
    """Raises TokenKeyUnknown, also before its epoch, and TokenKeyEnded after it."""
    key = spendable(conn, key_id, now)
    if key.epoch > epoch_of(now):
        raise TokenKeyUnknown("It does not issue yet.")
    if not key.issues(now):
        raise TokenKeyEnded("It no longer issues; its tokens are still valid.")
    return key


def take_one_by_one(conn: Connection, number: int) -> None:
    """Transaction: no more tokens of this key are taken side by side.

    It waits for those that are being taken, for they hold the row; the later ones see the mark.
    """
    conn.execute(_one_by_one, {"of": number})


def note_plenty(conn: Connection) -> None:
    """Transaction: keys with many outstanding tokens have them taken side by side again."""
    if are_deferred(conn):
        for number in conn.execute(_has_plenty).scalars().all():
            conn.execute(_side_by_side, {"of": number})


def living(conn: Connection) -> list[KeyRow]:
    """Those that are not retired, by epoch, then price."""
    return [KeyRow(*row) for row in conn.execute(_living)]


def listed(rows: list[KeyRow]) -> bytes:
    """The descriptor's extension: id (32) ‖ LE64 price ‖ LE64 epoch for each."""
    return b"".join(row.id + le64(row.price) + le64(row.epoch) for row in rows)


def load_keys(conn: Connection) -> TokenKeys:
    """Raises StoreDamaged."""
    rows = {row.id: row for row in living(conn)}
    return TokenKeys(
        tuple(
            LivingKey(rows[key_id], token_key_from_bytes(secret))
            for key_id, secret in conn.execute(_secrets)
        )
    )


# ---- making them ---------------------------------------------------------------------------------


def missing(conn: Connection, now: int) -> list[tuple[int, int]]:
    """(price, epoch) of the keys that should be there and never were, as far as there is room."""
    return _wanted(conn, now)[: TOKEN_KEYS_MAX - len(living(conn))]


def set_price_points(conn: Connection, amounts: tuple[int, ...], now: int) -> None:
    """Replace the price points, if there is room for their keys. Raises BadArgument."""
    settings.set_price_points(conn, amounts)
    if len(living(conn)) + len(_wanted(conn, now)) > TOKEN_KEYS_MAX:
        raise BadArgument(f"A broker has {TOKEN_KEYS_MAX} token keys at most; some must end first.")


def _wanted(conn: Connection, now: int) -> list[tuple[int, int]]:
    first = settings.number(conn, _FIRST_EPOCH)
    epochs = sorted({epoch_of(now), epoch_of(now + TOKEN_KEY_EARLY_SECONDS)})
    points = settings.load(conn).price_points
    made = {(row.price, row.epoch) for row in conn.execute(select(_k.price, _k.epoch))}
    return [
        (price, epoch)
        for epoch in epochs
        for price in points
        if epoch >= first and (price, epoch) not in made
    ]


def store_key(conn: Connection, price: int, epoch: int, key: IssuerKey) -> None:
    """Store a fresh key with an account for its tokens, unless another process was quicker."""
    known = select(_k.number).where(_k.price == price, _k.epoch == epoch)
    if conn.execute(known).one_or_none() is not None:
        return
    public = token_public_key(key)
    row = {
        "id": public.key_id,
        "price": price,
        "epoch": epoch,
        "account": booking.open_account(conn, AccountKind.TOKENS),
        "spki": public.spki,
        "secret": token_key_to_bytes(key),
    }
    conn.execute(_add, row)


def make_missing(run: Callable[..., object], wanted: list[tuple[int, int]]) -> None:
    """Generate outside any transaction, some 0.1 s each, and store one after another."""
    for price, epoch in wanted:
        run(store_key, price, epoch, generate_token_key())


def skip_epochs(conn: Connection, now: int) -> None:
    """After a restore: no key for an epoch whose key may have been lost with what came later.

    A second key for one price and epoch would look like a key made for individual customers.
    """
    first = epoch_of(now + TOKEN_KEY_EARLY_SECONDS) + 1
    settings.set_number(conn, _FIRST_EPOCH, first)
