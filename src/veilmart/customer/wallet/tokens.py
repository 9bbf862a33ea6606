"""Tokens in the wallet's database: keys, withdrawals, tokens. Transactions, safe to run again.

A token is UNSPENT, then SHOWN for one order or RETURNING and RETURNED to a balance; never back.
SPENT is what a restored wallet found on the published list.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert

from veilmart.crypto.token_key import TokenPublicKey, parse_token_key
from veilmart.customer.schema.token_tables import exchanges, token_keys, tokens, withdrawals
from veilmart.errors import NoTokens
from veilmart.protocol.token import TokenSecrets, finish_token
from veilmart.protocol.token_list import ListedKey
from veilmart.protocol.token_messages import SIGNATURE_BYTES
from veilmart.protocol.wallet_derivations import account_seed, refund_secrets, token_secrets
from veilmart.storage.database.prepared import Prepared

UNSPENT, SHOWN, RETURNING, RETURNED, SPENT = "unspent", "shown", "returning", "returned", "spent"
ASKED, DONE, REFUSED, INVALID = "asked", "done", "refused", "invalid"


@dataclass(frozen=True)
class KnownKey:
    """A token key of a broker. key: id, 32 bytes. spki: 342 bytes."""

    broker: bytes
    listed: ListedKey
    spki: bytes = field(repr=False)

    @property
    def public(self) -> TokenPublicKey:
        return parse_token_key(self.spki)


@dataclass(frozen=True)
class Withdrawal:
    """A row of `withdrawals`; request: 16 bytes; blinded: 256 bytes for each of `count`."""

    request: bytes
    broker: bytes
    account: str
    key: bytes
    first: int
    count: int
    blinded: bytes = field(repr=False)
    state: str
    made_at: int


@dataclass(frozen=True)
class StoredToken:
    """A row of `tokens`: of a withdrawal (account, counter), or the refund of `order_key`."""

    id: int
    broker: bytes
    key: bytes
    account: str | None
    counter: int | None
    order_key: bytes | None
    signature: bytes = field(repr=False)
    state: str
    order: bytes | None
    got_at: int


# ---- keys ----------------------------------------------------------------------------------------


_k = token_keys.c
_keys = select(_k.key, _k.price, _k.epoch, _k.spki).where(_k.broker == bindparam("of_broker"))
_KEYS = Prepared(_keys)
_KEY = Prepared(_keys.where(_k.key == bindparam("of_key")))
_KEY_IDS = Prepared(select(_k.key).where(_k.broker == bindparam("of_broker")))
_ADD_KEY = insert(token_keys).on_conflict_do_nothing()


def save_keys(connection: Connection, known: list[KnownKey]) -> None:
    """Rows that exist already do not change."""
    missing: list[dict[str, object]] = []
    for broker in {key.broker for key in known}:
        there = {row[0] for row in _KEY_IDS.rows(connection, {"of_broker": broker})}
        missing += [
            {
                "key": key.listed.key,
                "broker": broker,
                "price": key.listed.price,
                "epoch": key.listed.epoch,
                "spki": key.spki,
            }
            for key in known
            if key.broker == broker and key.listed.key not in there
        ]
    if missing:
        connection.execute(_ADD_KEY, missing)


def known_keys(connection: Connection, broker: bytes) -> dict[bytes, KnownKey]:
    """By key id."""
    rows = _KEYS.rows(connection, {"of_broker": broker})
    return {row[0]: _known(broker, *row) for row in rows}


def known_key(connection: Connection, broker: bytes, key: bytes) -> KnownKey | None:
    """key: id, 32 bytes."""
    row = _KEY.first(connection, {"of_broker": broker, "of_key": key})
    return None if row is None else _known(broker, *row)


def _known(broker: bytes, key: bytes, price: int, epoch: int, spki: bytes) -> KnownKey:
    return KnownKey(broker, ListedKey(epoch, price, key), spki)


# ---- withdrawals ---------------------------------------------------------------------------------

_w = withdrawals.c
_WITHDRAWAL = (
    select(_w.request, _w.broker, _w.account, _w.key, _w.first, _w.count)
    .add_columns(_w.blinded, _w.state, _w.made_at)
    .order_by(_w.first)
)


def begin_withdrawal(
    connection: Connection,
    broker: bytes,
    account: str,
    key: bytes,
    make: Callable[[int], Withdrawal],
) -> Withdrawal:
    """Take the next counters, and remember what will be asked for. make: from the first counter."""
    query = select(func.max(_w.first + _w.count)).where(
        _w.broker == broker, _w.account == account, _w.key == key
    )
    withdrawal = make(connection.execute(query).scalar_one() or 0)
    add_withdrawal(connection, withdrawal)
    return withdrawal


def add_withdrawal(connection: Connection, withdrawal: Withdrawal) -> None:
    given = insert(withdrawals).values(vars(withdrawal))
    connection.execute(given.on_conflict_do_nothing())


def open_withdrawals(connection: Connection, broker: bytes, account: str) -> list[Withdrawal]:
    """Those whose answer has not come."""
    query = _WITHDRAWAL.where(_w.broker == broker, _w.account == account, _w.state == ASKED)
    return [Withdrawal(*row) for row in connection.execute(query)]


def finish_withdrawal(
    connection: Connection, withdrawal: Withdrawal, signatures: bytes, now: int
) -> None:
    """Store the tokens of a verified answer. Rows that exist already do not change."""
    rows = [
        {
            "broker": withdrawal.broker,
            "key": withdrawal.key,
            "account": withdrawal.account,
            "counter": withdrawal.first + place,
            "signature": signatures[place * SIGNATURE_BYTES : (place + 1) * SIGNATURE_BYTES],
            "state": UNSPENT,
            "got_at": now,
        }
        for place in range(withdrawal.count)
    ]
    connection.execute(insert(tokens).on_conflict_do_nothing(), rows)
    end_withdrawal(connection, withdrawal.request, DONE, None)


def end_withdrawal(
    connection: Connection, request: bytes, state: str, answer: bytes | None
) -> None:
    """answer: kept where it is a proof that the broker signed something else."""
    query = update(withdrawals).where(_w.request == request)
    connection.execute(query.values(state=state, answer=answer))


# ---- tokens --------------------------------------------------------------------------------------

_t = tokens.c
_COLUMNS = [_t[item.name] for item in fields(StoredToken)]
_TOKEN = select(*_COLUMNS).join(token_keys, token_keys.c.key == tokens.c.key)
_OLDEST = Prepared(
    select(*_COLUMNS)
    .where(_t.key == bindparam("of_key"), _t.state == UNSPENT)
    .order_by(_t.got_at, _t.id)
    .limit(1)
)
_SHOW = Prepared(
    update(tokens)
    .where(_t.id == bindparam("of_token"), _t.state == UNSPENT)
    .values(state=SHOWN, order=bindparam("for_order"))
)


def oldest_unspent(connection: Connection, key: bytes) -> StoredToken | None:
    """The token of this key (id, 32 bytes) that has rested longest."""
    row = _OLDEST.first(connection, {"of_key": key})
    return None if row is None else StoredToken(*row)


def tokens_of(connection: Connection, broker: bytes, *states: str) -> list[StoredToken]:
    """Those that end first come first."""
    query = _TOKEN.where(_t.broker == broker, _t.state.in_(states))
    rows = connection.execute(query.order_by(token_keys.c.epoch, _t.got_at, _t.id))
    return [StoredToken(*row) for row in rows]


def any_unspent(connection: Connection) -> bool:
    """Whether there is a token of any price at any broker."""
    return connection.execute(select(_t.id).where(_t.state == UNSPENT).limit(1)).first() is not None


def token_of_order(connection: Connection, order_key: bytes) -> StoredToken | None:
    """The refund of the order of this order key."""
    row = connection.execute(_TOKEN.where(_t.order_key == order_key)).first()
    return None if row is None else StoredToken(*row)


def add_refund(
    connection: Connection, broker: bytes, key: bytes, order_key: bytes, signature: bytes, now: int
) -> None:
    """Asked again, the refund is the same."""
    given = insert(tokens).values(
        broker=broker,
        key=key,
        order_key=order_key,
        signature=signature,
        state=UNSPENT,
        got_at=now,
    )
    connection.execute(given.on_conflict_do_nothing())


def show_token(connection: Connection, token: int, order: bytes) -> None:
    """Bind the token to this order. Raises NoTokens when another program was faster."""
    if _SHOW.run(connection, {"of_token": token, "for_order": order}) != 1:
        raise NoTokens("Another program has just used it.")


def move_token(connection: Connection, token: int, before: str, after: str) -> bool:
    """Whether it was in the state `before`."""
    query = update(tokens).where(_t.id == token, _t.state == before)
    return connection.execute(query.values(state=after)).rowcount == 1


def secrets_of(seed: bytes, token: StoredToken, key: KnownKey) -> TokenSecrets:
    """seed: the wallet's."""
    if token.order_key is not None:
        return refund_secrets(seed, key.public, token.order_key)
    account, counter = token.account or "", token.counter or 0
    return token_secrets(account_seed(seed, account), key.public, counter)


def finished(seed: bytes, token: StoredToken, key: KnownKey) -> bytes:
    """The token as it is shown, 354 bytes. Raises TokenInvalid."""
    return finish_token(key.public, secrets_of(seed, token, key), token.signature)


def exchanging(connection: Connection) -> set[int]:
    """Tokens whose exchange was begun."""
    return set(connection.execute(select(exchanges.c.token)).scalars())
