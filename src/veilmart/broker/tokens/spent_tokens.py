"""Register of spent tokens: what each paid for, and what its refund needs.

Each token can be spent once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from veilmart.broker.keys.token_keys import SCARCE_BELOW, KeyRow, take_one_by_one
from veilmart.broker.ledger import booking, hot_rows
from veilmart.broker.schema.token_tables import spent_tokens
from veilmart.broker.tokens import published_prefixes
from veilmart.errors import LedgerViolated
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.token import Token
from veilmart.storage.database.prepared import Prepared

P = ParamSpec("P")
T = TypeVar("T")

_s = spent_tokens.c
_row = select(
    _s.key,
    _s.order,
    _s.order_key,
    _s.refund_key,
    _s.refund_blinded,
    _s.late,
    _s.reissued,
    _s.body,
    _s.answer,
)
_by_order = Prepared(_row.where(_s.order == bindparam("of")))
_late = _row.where(_s.order_key == bindparam("of"), text("late = 1")).limit(1)
_taker = Prepared(
    select(_s.order, _s.account).where(_s.key == bindparam("of"), _s.nonce == bindparam("n"))
)
_add = Prepared(insert(spent_tokens))
_reissue = (
    update(spent_tokens).where(_s.order == bindparam("of"), _s.reissued == 0).values(reissued=1)
)


@dataclass(frozen=True, slots=True)
class SpentRow:
    """key, refund_key: our numbers of them. order, order_key: 32 bytes. body, answer: as stored.

    late: it paid for nothing. reissued: its refund token may be asked for.
    """

    key: int
    order: bytes
    order_key: bytes
    refund_key: int
    refund_blinded: bytes = field(repr=False)
    late: bool
    reissued: bool
    body: bytes = field(repr=False)
    answer: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RunsLow:
    """Nothing was done: tokens of this key (our number) have to be taken one by one first."""

    key: int


@dataclass(frozen=True, slots=True)
class Spending:
    """What `spend` asks for, as far as it is remembered."""

    order: bytes
    order_key: bytes
    refund_blinded: bytes = field(repr=False)
    body: bytes = field(repr=False)


def spent_for(conn: Connection, order: bytes) -> SpentRow | None:
    """The token that was spent for an order."""
    row = _by_order.row(conn, {"of": order})
    return None if row is None else SpentRow(*row)


def late_by(conn: Connection, order_key: bytes) -> SpentRow | None:
    """A token that an order key presented too late."""
    row = conn.execute(_late, {"of": order_key}).one_or_none()
    return None if row is None else SpentRow(*row)


def taker(conn: Connection, key: KeyRow, token: Token) -> tuple[bytes | None, int | None] | None:
    """(order, account) that the token was taken for, one of them None; None if it never was."""
    row = _taker.row(conn, {"of": key.number, "n": token.nonce})
    return None if row is None else (row[0], row[1])


def take(
    conn: Connection,
    token: Token,
    key: KeyRow,
    refund: KeyRow,
    what: Spending,
    answer: bytes,
    *,
    late: bool,
) -> None:
    """Part of the transaction that spends: the token is spent from now on."""
    row = {
        "key": key.number,
        "nonce": token.nonce,
        "order": what.order,
        "order_key": what.order_key,
        "refund_key": refund.number,
        "refund_blinded": what.refund_blinded,
        "late": int(late),
        "reissued": int(late),
        "body": what.body,
        "answer": answer,
    }
    _add.run(conn, row)
    published_prefixes.publish_token(conn, key.number, key.id, token.nonce)


def take_back(conn: Connection, token: Token, key: KeyRow, account: int) -> None:
    """Part of the transaction that deposits."""
    _add.run(conn, {"key": key.number, "nonce": token.nonce, "account": account})
    published_prefixes.publish_token(conn, key.number, key.id, token.nonce)


def reissue(conn: Connection, order: bytes) -> None:
    """Part of the transaction that refunds a token-paid order. Raises LedgerViolated if it was."""
    if conn.execute(_reissue, {"of": order}).rowcount != 1:
        raise LedgerViolated("A token is refunded once.")


def room_to_take(conn: Connection, key: KeyRow) -> frozenset[int] | RunsLow:
    """Part of a transaction that holds the key's row: what `booking.book` is to take as hot.

    More tokens than were withdrawn means that another party has the key. Raises LedgerViolated.
    Several servers may take tokens side by side only while so many are outstanding that no number
    of transactions at once can take more than there are.
    """
    outstanding = booking.balance_of(conn, key.account) // key.price
    if outstanding < 1:
        raise LedgerViolated("More tokens of a key were shown than were withdrawn.")
    if not hot_rows.are_deferred(conn):
        return frozenset()
    if key.scarce:
        hot_rows.add_up_account(conn, key.account)
        return frozenset()
    return frozenset({key.account}) if outstanding >= SCARCE_BELOW else RunsLow(key.number)


def taking(
    transaction: Callable[Concatenate[Connection, P], T | RunsLow], *args: P.args, **more: P.kwargs
) -> Rule[T]:
    """Run a transaction that takes a token, again where the key's tokens are running low."""
    while True:
        outcome: T | RunsLow = yield from transact(transaction, *args, **more)
        if not isinstance(outcome, RunsLow):
            return outcome
        yield from transact(take_one_by_one, outcome.key)


def counted(conn: Connection, number: int) -> tuple[int, int, int]:
    """(redeemed, returned, reissued) tokens of a key, by counting."""
    rows = select(func.count()).select_from(spent_tokens)
    queries = (
        rows.where(_s.key == number),
        rows.where(_s.key == number, _s.account.is_not(None)),
        rows.where(_s.refund_key == number, _s.reissued == 1),
    )
    taken, returned, reissued = (int(conn.execute(query).scalar_one()) for query in queries)
    return taken - returned, returned, reissued
