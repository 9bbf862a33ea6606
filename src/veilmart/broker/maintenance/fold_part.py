"""Folding one part: the only transaction that takes anything out of the books.

It reads nothing but what it writes: the part was read in a snapshot before. Only a refund by the
merchant can have changed an order in the meantime, and then the part is read again.
"""

from collections.abc import Callable

from sqlalchemy import Connection, and_, delete, insert, select, text, update

from veilmart.broker import settings
from veilmart.broker.ledger.folded_sums import UNLOCKED, Sums, sums_of_ended
from veilmart.broker.maintenance.folding import MARK, Due, Part, month_so_far
from veilmart.broker.schema import tables
from veilmart.broker.schema.dispute_tables import disputes
from veilmart.broker.schema.token_tables import spent_tokens
from veilmart.broker.schema.upkeep_tables import folds
from veilmart.broker.schema.voucher_tables import ISSUED, vouchers
from veilmart.errors import LedgerViolated
from veilmart.storage.database.isolation import statement

FORGOTTEN_AT_ONCE = 500
_DAY_SECONDS = 24 * 3600
_t, _p, _i, _o, _r = (
    tables.transactions.c,
    tables.postings.c,
    tables.invoices.c,
    tables.operations.c,
    tables.reports.c,
)
_d, _v = disputes.c, vouchers.c


@statement
def fold(
    conn: Connection, part: Part, until: int, signed: bytes, tick: Callable[[], float]
) -> float | None:
    """Transaction: fold a part.

    The seconds that it took by `tick`, or None for a part that has changed since it was read: then
    nothing was done. signed: signature ‖ AuditStatement of the month with this part.
    """
    began = tick()
    if month_so_far(conn, until, lock=True) != part.month or not _forget_payers(conn, part):
        return None
    settings.set_number(conn, UNLOCKED, 1)
    entry = _add_sums(conn, part, until)
    _forget_times(conn, part)
    _delete(conn, part.ids)
    settings.remove(conn, UNLOCKED)
    settled, amount, fees, refunded = added(part)
    row = {
        "entry": entry,
        "until": until,
        "settled": settled,
        "settled_amount": amount,
        "settled_fees": fees,
        "refunded": refunded,
        "statement": signed,
    }
    if part.month.id is None:
        conn.execute(insert(folds), row)
    else:
        conn.execute(update(folds).where(folds.c.id == part.month.id).values(row))
    return tick() - began


def added(part: Part) -> Sums:
    """The month's sums with those of the part."""
    before, own = part.month.sums, part.sums
    return before[0] + own[0], before[1] + own[1], before[2] + own[2], before[3] + own[3]


@statement
def forget_vouchers(conn: Connection, due: Due) -> int:
    """Transaction: some vouchers that ended in a folded month; how many.

    They have nothing left to be compared with. One whose end came later than the audit, by a clock
    that was set back, still has.
    """
    # Word for word as in the index, or SQLite does not know that the index does.
    ending = and_(text("transactions.kind IN ('redeem', 'void')"), _t.reference == _v.hash)
    some = (
        select(_v.hash)
        .where(_v.ended_at < due.until, _v.state != ISSUED)
        .where(~select(_t.id).where(ending).correlate(vouchers).exists())
        .limit(FORGOTTEN_AT_ONCE)
    )
    return conn.execute(delete(vouchers).where(_v.hash.in_(some))).rowcount


@statement
def finish(conn: Connection, due: Due) -> None:
    """Transaction: everything before `due.until` was folded."""
    settings.set_number(conn, MARK, due.until)


def _forget_payers(conn: Connection, part: Part) -> bool:
    """Cut invoices off from the transactions that paid them; of times only the day stays.

    First of all, so that nobody can change these orders until the commit. False, with nothing
    done, when a merchant gave one back after the part was read.
    """
    if not part.ended:
        return True
    locked = select(_i.order).where(_i.order.in_(part.ended)).with_for_update()
    conn.execute(locked).all()
    if sums_of_ended(conn, part.ended) != part.sums:
        return False
    changed = conn.execute(
        update(tables.invoices)
        .where(_i.order.in_(part.ended), _i.hold.is_not(None))
        .values(hold=None, due=0, held_at=_i.held_at - _i.held_at % _DAY_SECONDS)
    )
    if changed.rowcount != len(part.ended):
        raise LedgerViolated("An order that is to be folded has no payment.")
    return True


def _add_sums(conn: Connection, part: Part, until: int) -> int | None:
    """Add the part to the month's one transaction, which has one posting for each account.

    Balances stay as they are. None when the month leaves nothing.
    """
    entry = part.month.entry
    balances = dict(part.balances)
    if not balances:
        return entry
    if entry is None:
        row = {"kind": "fold", "reference": b"", "at": until}
        new = insert(tables.transactions).returning(_t.id)
        entry = int(conn.execute(new, row).scalar_one())
    else:
        there = _p.entry == entry, _p.account.in_(balances)
        for account, amount in conn.execute(select(_p.account, _p.amount).where(*there)):
            balances[account] += amount
        conn.execute(delete(tables.postings).where(*there))
    rows = [
        {"entry": entry, "account": account, "amount": amount}
        for account, amount in balances.items()
        if amount
    ]
    if rows:
        conn.execute(insert(tables.postings), rows)
    elif conn.execute(select(_p.id).where(_p.entry == entry).limit(1)).first() is None:
        # Everything was given back: a transaction without postings stands for nothing.
        conn.execute(update(folds).where(folds.c.entry == entry).values(entry=None))
        conn.execute(delete(tables.transactions).where(_t.id == entry))
        return None
    return entry


def _forget_times(conn: Connection, part: Part) -> None:
    """Of reports and disputes only the day stays; stored answers go."""
    conn.execute(
        update(tables.reports)
        .where(_r.order.in_([*part.ended, *part.given_back]))
        .values(at=_r.at - _r.at % _DAY_SECONDS)
    )
    conn.execute(
        update(disputes).where(_d.order.in_(part.ended)).values(at=_d.at - _d.at % _DAY_SECONDS)
    )
    conn.execute(
        update(spent_tokens).where(spent_tokens.c.order.in_(part.ended)).values(answer=None)
    )
    # A stored answer's body hash would let accounts be tried one by one.
    conn.execute(delete(tables.operations).where(_o.id.in_(part.answers)))


def _delete(conn: Connection, ids: list[int]) -> None:
    """Only while the mark is set, for which the triggers of the books look."""
    conn.execute(delete(tables.postings).where(_p.entry.in_(ids)))
    count = conn.execute(delete(tables.transactions).where(_t.id.in_(ids))).rowcount
    if count != len(ids):
        raise LedgerViolated("A transaction that is to be folded is not there.")
