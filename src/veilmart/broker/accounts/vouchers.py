"""Vouchers: issued in batches, stored as hashes, valid once.

A voucher is paid for when it is issued: cash → vouchers; redeeming moves vouchers → customer, and
taking it back vouchers → cash. The database lets each give its money once (`once_per_voucher`).
"""

from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from veilmart.broker.accounts import guess_limit
from veilmart.broker.ledger import booking
from veilmart.broker.schema import tables
from veilmart.broker.schema.voucher_tables import ISSUED, REDEEMED, VOID, vouchers
from veilmart.errors import BadAmount, BadArgument, LedgerViolated, NoSuchCode
from veilmart.limits import CODES_AT_ONCE_MAX, INTEGER_MAX
from veilmart.protocol.accounting import AccountKind, transfer
from veilmart.protocol.code import RANDOM_BYTES, code_hash, make_code, parse_code
from veilmart.protocol.ports import Random

_v, _t, _p = vouchers.c, tables.transactions.c, tables.postings.c
_find = select(_v.state, _v.value, _v.issued_at, _v.unconfirmed).where(_v.hash == bindparam("of"))
_end = (
    update(vouchers)
    .where(_v.hash == bindparam("of"), _v.state == ISSUED)
    .values(state=bindparam("reached"), ended_at=bindparam("now"))
)
_redeemer = (
    select(_p.account)
    .join(tables.transactions, _t.id == _p.entry)
    # Word for word as in the index, or SQLite does not know that the index does.
    .where(text("transactions.kind IN ('redeem', 'void')"), _t.kind == "redeem")
    .where(_t.reference == bindparam("of"), _p.amount > 0)
)


@dataclass(frozen=True)
class Issued:
    """codes: as printed; only their hashes are stored. value: minor units; 0 for invitations."""

    batch: int
    value: int
    codes: list[str] = field(repr=False)


class BatchLine(msgspec.Struct, frozen=True):
    """Counts of a batch's codes. value: of one, minor units. left: neither used nor voided.

    unconfirmed: those of them that may have been voided since the backup. Used invitations are
    deleted and not counted as issued.
    """

    batch: int
    issued_at: int
    value: int
    issued: int
    left: int
    redeemed: int
    void: int
    unconfirmed: int = 0


@dataclass(frozen=True)
class Redemption:
    """What became of a code.

    outcome: "redeemed", "again" (by the same account before), "unknown", "spent" or "unconfirmed".
    value, balance: minor units.
    """

    outcome: str
    value: int = 0
    balance: int = 0


def issue_vouchers(conn: Connection, count: int, value: int, now: int, random: Random) -> Issued:
    """Make and book a batch. Raises BadArgument, BadAmount."""
    codes = new_codes(count, random)
    if value <= 0:
        raise BadArgument("A voucher is worth more than zero.")
    if value > INTEGER_MAX:
        raise BadAmount("It is too large.")
    batch = int(conn.execute(select(func.max(_v.batch))).scalar_one() or 0) + 1
    rows = [
        {
            "hash": code_hash(parse_code(code)),
            "batch": batch,
            "value": value,
            "state": ISSUED,
            "issued_at": now,
        }
        for code in codes
    ]
    conn.execute(insert(vouchers), rows)
    account = booking.account_of(conn, AccountKind.VOUCHERS)
    booking.pay_in(conn, "voucher", batch.to_bytes(8, "big"), now, account, count * value)
    return Issued(batch, value, codes)


def redeem(conn: Connection, secret: bytes, account: int, hashed: bytes, now: int) -> Redemption:
    """vouchers → account, once. A wrong code is counted, which a raised error would undo.

    Raises TooManyAttempts. A repeated request from the same account returns the same result, and
    counts as a guess.
    """
    name = guess_limit.name_mac(secret, f"\0voucher {account}")
    guess_limit.take_guess(conn, name, now)
    row = conn.execute(_find, {"of": hashed}).one_or_none()
    if row is None:
        return Redemption("unknown")
    state, value = str(row[0]), int(row[1])
    # Clocks may be set back: a voucher never ends before it was issued.
    now = max(now, int(row[2]))
    if state == ISSUED and row[3]:
        guess_limit.forgive(conn, name)
        return Redemption("unconfirmed")
    if state == ISSUED:
        conn.execute(_end, {"of": hashed, "reached": REDEEMED, "now": now})
        source = booking.account_of(conn, AccountKind.VOUCHERS)
        booking.book(conn, "redeem", hashed, now, transfer(source, account, value))
    elif state == VOID or conn.execute(_redeemer, {"of": hashed}).scalar() != account:
        return Redemption("spent")
    else:
        # Asking again costs a guess: for the same voucher it could be done for ever.
        return Redemption("again", value, booking.balance_of(conn, account))
    guess_limit.forgive(conn, name)
    balance = booking.balance_of(conn, account)
    return Redemption("redeemed", value, balance)


def confirm_vouchers(conn: Connection, code: str | None, batch: int | None) -> int:
    """After a restore: confirm codes that were not voided since the backup; how many.

    With neither argument: all.

    Raises CodeMistyped, NoSuchCode.
    """
    good = update(vouchers).where(_v.unconfirmed == 1, _v.state == ISSUED).values(unconfirmed=0)
    if code is not None:
        good = good.where(_v.hash == code_hash(parse_code(code)))
    if batch is not None:
        good = good.where(_v.batch == batch)
    count = conn.execute(good).rowcount
    if not count:
        raise NoSuchCode("None of these waits for confirmation.")
    return count


def void_voucher(conn: Connection, code: str, now: int) -> int:
    """Void one; return its value. Raises CodeMistyped, NoSuchCode."""
    hashed = code_hash(parse_code(code))
    row = conn.execute(_find, {"of": hashed}).one_or_none()
    if row is None or row[0] != ISSUED:
        raise NoSuchCode("It is unknown, already redeemed or void.")
    _void(conn, [hashed], int(row[1]), max(now, int(row[2])))
    return int(row[1])


def void_batch(conn: Connection, batch: int, now: int) -> int:
    """Void the unused vouchers of a batch; how many. Raises NoSuchCode."""
    left = select(_v.hash, _v.value, _v.issued_at).where(_v.batch == batch, _v.state == ISSUED)
    rows = conn.execute(left).all()
    if not rows:
        raise NoSuchCode(f"Batch {batch} has no unused codes.")
    now = max(now, *(int(row[2]) for row in rows))
    _void(conn, [row[0] for row in rows], int(rows[0][1]), now)
    return len(rows)


def _void(conn: Connection, hashes: list[bytes], value: int, now: int) -> None:
    source = booking.account_of(conn, AccountKind.VOUCHERS)
    for hashed in hashes:
        changed = conn.execute(_end, {"of": hashed, "reached": VOID, "now": now}).rowcount
        if changed != 1:
            raise LedgerViolated("A voucher was redeemed while it was voided.")
        booking.book(conn, "void", hashed, now, transfer(source, tables.CASH, value))


def voucher_lines(conn: Connection) -> list[BatchLine]:
    """Every batch that is still stored."""
    query = (
        select(
            _v.batch,
            func.min(_v.issued_at),
            _v.value,
            _v.state,
            func.count(),
            func.sum(_v.unconfirmed),
        )
        .group_by(_v.batch, _v.value, _v.state)
        .order_by(_v.batch)
    )
    found: dict[tuple[int, int], dict[str, int]] = {}
    since: dict[int, int] = {}
    open_: dict[int, int] = {}
    for batch, issued_at, value, state, count, unconfirmed in conn.execute(query):
        if state == ISSUED:
            open_[batch] = int(unconfirmed)
        found.setdefault((batch, value), {})[state] = count
        since[batch] = min(since.get(batch, issued_at), issued_at)
    return [
        BatchLine(
            batch,
            since[batch],
            value,
            issued=sum(states.values()),
            left=states.get(ISSUED, 0),
            redeemed=states.get(REDEEMED, 0),
            void=states.get(VOID, 0),
            unconfirmed=open_.get(batch, 0),
        )
        for (batch, value), states in found.items()
    ]


def new_codes(count: int, random: Random) -> list[str]:
    if not 1 <= count <= CODES_AT_ONCE_MAX:
        raise BadArgument(f"1 to {CODES_AT_ONCE_MAX} codes are made at once.")
    return [make_code(random(RANDOM_BYTES)) for _ in range(count)]
