"""The solvency line: for each token key, where its tokens came from and where they went.

docs/protocol/11-tokens.md, 11.6: withdrawn + reissued = redeemed + returned + expired +
outstanding. Counted over the rows for keys that live, written down for those that were retired.
"""

import msgspec
from sqlalchemy import Connection, func, select

from veilmart.broker.keys.token_keys import KeyRow, epoch_of, issue_from, living, spend_until
from veilmart.broker.ledger.booking import true_balance
from veilmart.broker.schema.tables import accounts
from veilmart.broker.schema.token_tables import spent_tokens, token_issues, token_keys
from veilmart.errors import NoSuchTokenKey

_k, _s, _i = token_keys.c, spent_tokens.c, token_issues.c
_keys = (
    select(
        _k.number,
        _k.id,
        _k.price,
        _k.epoch,
        _k.retired_at,
        _k.withdrawn,
        _k.reissued,
        _k.redeemed,
        _k.returned,
        _k.expired,
        true_balance.label("balance"),
    )
    .join(accounts, accounts.c.id == _k.account)
    .order_by(_k.epoch, _k.price)
)
_withdrawn = select(_i.key, func.sum(_i.count)).group_by(_i.key)
_taken = select(_s.key, func.count()).group_by(_s.key)
_returned = select(_s.key, func.count()).where(_s.account.is_not(None)).group_by(_s.key)
_reissued = select(_s.refund_key, func.count()).where(_s.reissued == 1).group_by(_s.refund_key)


class KeyTotals(msgspec.Struct, frozen=True):
    """Numbers of tokens. id: 32 bytes. price: minor units."""

    id: bytes
    price: int
    epoch: int
    withdrawn: int
    reissued: int
    redeemed: int
    returned: int
    expired: int
    outstanding: int

    @property
    def holds(self) -> bool:
        given = self.withdrawn + self.reissued
        return given == self.redeemed + self.returned + self.expired + self.outstanding


class Solvency(msgspec.Struct, frozen=True):
    """The statement that is published under /v1/solvency. at: Unix seconds."""

    at: int
    keys: list[KeyTotals]


def key_totals(conn: Connection) -> list[KeyTotals]:
    """Every key there ever was, by epoch, then price. Only reads."""
    withdrawn = {row[0]: int(row[1]) for row in conn.execute(_withdrawn)}
    reissued = {row[0]: int(row[1]) for row in conn.execute(_reissued)}
    taken = {row[0]: int(row[1]) for row in conn.execute(_taken)}
    returned = {row[0]: int(row[1]) for row in conn.execute(_returned)}
    lines = []
    for row in conn.execute(_keys):
        counts = {
            "withdrawn": withdrawn.get(row.number, 0),
            "reissued": reissued.get(row.number, 0),
            "redeemed": taken.get(row.number, 0) - returned.get(row.number, 0),
            "returned": returned.get(row.number, 0),
            "expired": 0,
        }
        if row.retired_at is not None:
            counts = {name: getattr(row, name) for name in counts}
        lines.append(
            KeyTotals(
                id=row.id,
                price=row.price,
                epoch=row.epoch,
                outstanding=int(row.balance) // row.price,
                **counts,
            )
        )
    return lines


class KeyLine(msgspec.Struct, frozen=True):
    """id: hexadecimal. price: minor units. state: early, issuing, ending or retired.

    until: when that state ends, Unix seconds; 0 for never. The rest are numbers of tokens.
    """

    id: str
    price: int
    epoch: int
    state: str
    until: int
    withdrawn: int
    reissued: int
    redeemed: int
    returned: int
    expired: int
    outstanding: int


def key_lines(conn: Connection, now: int) -> list[KeyLine]:
    """Every key there ever was, oldest epoch first."""
    rows = {row.id: row for row in living(conn)}
    return [_line(totals, rows.get(totals.id), now) for totals in key_totals(conn)]


def find_living(conn: Connection, prefix: str) -> KeyRow:
    """By the beginning of its id, in hexadecimal. Raises NoSuchTokenKey if not just one."""
    wanted = prefix.strip().lower()
    found = [row for row in living(conn) if wanted and row.id.hex().startswith(wanted)]
    if len(found) != 1:
        raise NoSuchTokenKey(f"{len(found)} keys begin with {prefix[:80]!r}.")
    return found[0]


def _line(totals: KeyTotals, row: KeyRow | None, now: int) -> KeyLine:
    state, until = "retired", 0
    if row is not None and not row.is_over(now):
        state, until = "ending", spend_until(row.epoch)
        if row.epoch >= epoch_of(now):
            early = row.epoch > epoch_of(now)
            state = "early" if early else "issuing"
            until = issue_from(row.epoch + (not early))
    fields = msgspec.structs.asdict(totals) | {"id": totals.id.hex()}
    return KeyLine(state=state, until=until, **fields)
