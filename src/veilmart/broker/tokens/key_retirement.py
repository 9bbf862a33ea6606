"""Retiring a token key for ever: its private half is overwritten, outstanding tokens expire.

docs/protocol/11-tokens.md, 11.1. The clock may be set back later; the stored fact stays.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from veilmart.broker import settings
from veilmart.broker.keys.token_keys import KeyRow, living
from veilmart.broker.ledger import booking
from veilmart.broker.schema import tables
from veilmart.broker.schema.token_tables import spent_tokens as spent, token_issues, token_keys
from veilmart.broker.tokens import published_prefixes, spent_tokens
from veilmart.protocol.accounting import transfer
from veilmart.storage.database.isolation import statement

_k, _i, _s, _o = token_keys.c, token_issues.c, spent.c, tables.invoices.c


_FORGOTTEN_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Retired:
    """expired: how many tokens were outstanding."""

    id: bytes
    price: int
    epoch: int
    expired: int


@statement
def retire(conn: Connection, key: KeyRow, now: int) -> Retired | None:
    """Retire a key now; return None if it already is retired.

    The first statement waits for all transactions that move money by this key, and none begins
    after it.
    """
    mark = update(token_keys).where(_k.number == key.number, _k.retired_at.is_(None))
    if conn.execute(mark.values(retired_at=now, secret=None)).rowcount != 1:
        return None
    withdrawn = withdrawn_under(conn, key.number)
    redeemed, returned, reissued = spent_tokens.counted(conn, key.number)
    left = booking.balance_of(conn, key.account)
    expired = left // key.price
    if left:
        booking.book(conn, "expire", key.id, now, transfer(key.account, tables.FEES, left))
    totals = {
        "withdrawn": withdrawn,
        "redeemed": redeemed,
        "returned": returned,
        "reissued": reissued,
        "expired": expired,
    }
    conn.execute(update(token_keys).where(_k.number == key.number).values(totals))
    conn.execute(delete(token_issues).where(_i.key == key.number))
    published_prefixes.drop_list(conn, key.number)
    return Retired(key.id, key.price, key.epoch, expired)


@statement
def retire_next(conn: Connection, now: int) -> Retired | None:
    """Retire one key whose time is over; None when there is none."""
    over = next((key for key in living(conn) if key.is_over(now)), None)
    return None if over is None else retire(conn, over, now)


def withdrawn_under(conn: Connection, number: int) -> int:
    """Tokens of a key that accounts have withdrawn, by counting."""
    total = select(func.coalesce(func.sum(_i.count), 0)).where(_i.key == number)
    return int(conn.execute(total).scalar_one())


@statement
def forget_spent(conn: Connection) -> int:
    """Transaction: forget some spent tokens of retired keys; how many.

    Only when the refund's key is retired and the order is folded as well: until then the audit
    follows the order's money through them.
    """
    retired = select(_k.number).where(_k.retired_at.is_not(None)).scalar_subquery()
    no_refund = _s.refund_key.is_(None) | _s.refund_key.in_(retired)
    in_books = (
        select(_o.order).where(_o.order == _s.order, _o.hold.is_not(None)).correlate(spent).exists()
    )
    some = select(_s.id).where(_s.key.in_(retired), no_refund, ~in_books).limit(_FORGOTTEN_AT_ONCE)
    return conn.execute(delete(spent).where(_s.id.in_(some))).rowcount


def retire_key(conn: Connection, key: KeyRow, now: int) -> Retired | None:
    """Retire it, and notify a running broker. None if it already is retired."""
    retired = retire(conn, key, now)
    settings.touch(conn)
    return retired
