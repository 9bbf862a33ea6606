"""Folding one part: the only transaction that takes anything out of the books.

It reads nothing but what it writes: the part was read in a snapshot before. Only a refund by the
merchant can have changed an order in the meantime, and then the part is read again.
"""

from collections.abc import Callable

from sqlalchemy import Connection, and_, delete, insert, select, text, update

from veilmart.broker import settings
from veilmart.broker.ledger.folded_sums import UNLOCKED, sums_of_ended
from veilmart.broker.maintenance.folding import MARK, Due, Part
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
    nothing was done. signed: signature ‖ AuditStatement.
    """
    began = tick()
    if not _forget_payers(conn, part):
        return None
    entry = _book_sums(conn, part.balances, until)
    _forget_times(conn, part)
    _delete(conn, part.ids)
    settled, amount, fees, refunded = part.sums
    row = {
        "entry": entry,
        "until": until,
        "settled": settled,
        "settled_amount": amount,
        "settled_fees": fees,
        "refunded": refunded,
        "statement": signed,
    }
    conn.execute(insert(folds), row)
    return tick() - began


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


def _book_sums(conn: Connection, balances: list[tuple[int, int]], until: int) -> int | None:
    """One transaction with one posting per account; the balances stay as they are."""
    if not balances:
        return None
    row = {"kind": "fold", "reference": b"", "at": until}
    new = insert(tables.transactions).returning(tables.transactions.c.id)
    entry = int(conn.execute(new, row).scalar_one())
    conn.execute(
        insert(tables.postings),
        [{"entry": entry, "account": account, "amount": amount} for account, amount in balances],
    )
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
    """The triggers of the books look for the mark."""
    settings.set_number(conn, UNLOCKED, 1)
    conn.execute(delete(tables.postings).where(_p.entry.in_(ids)))
    count = conn.execute(delete(tables.transactions).where(_t.id.in_(ids))).rowcount
    if count != len(ids):
        raise LedgerViolated("A transaction that is to be folded is not there.")
    settings.remove(conn, UNLOCKED)
