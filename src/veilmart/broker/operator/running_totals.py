"""Sums of a merchant's reports, carried forward, so that a statement adds up only the newest.

`report_totals` has the sums of all reports up to a number. They never change afterwards: what a
report adds depends on its event, its order's amount and fee, and whether the order was settled
before.
"""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, case, exists, func, insert, select, update

from veilmart.broker.schema import tables
from veilmart.broker.schema.operator_tables import report_totals
from veilmart.storage.database.isolation import repeatable, snapshot

CARRIED_AT_ONCE = 1000
"""Reports of one transaction, and the most that a statement adds up by itself; some 5 ms."""


class Sums(NamedTuple):
    """Minor units. back: of all orders whose money went back; given_back: after settlement."""

    settled: int
    fees: int
    back: int
    given_back: int


_r, _i, _t = tables.reports.c, tables.invoices.c, report_totals.c
_earlier = tables.reports.alias("earlier")
_settled = _r.event == "settled"
_settled_before = exists().where(
    _earlier.c.order == _r.order, _earlier.c.merchant == _r.merchant, _earlier.c.event == "settled"
)
_sums = (
    select(
        *(
            func.coalesce(func.sum(case((condition, value), else_=0)), 0)
            for condition, value in (
                (_settled, _i.amount),
                (_settled, _i.fee),
                (~_settled, _i.amount),
                (~_settled & _settled_before, _i.amount),
            )
        )
    )
    .join(tables.invoices, _i.order == _r.order)
    .where(
        _r.merchant == bindparam("of"),
        _r.sequence > bindparam("after"),
        _r.sequence <= bindparam("until"),
    )
)
_carried = select(report_totals).where(_t.merchant == bindparam("of"))
_until = (
    select(_r.sequence)
    .where(_r.merchant == bindparam("of"), _r.sequence > bindparam("after"))
    .order_by(_r.sequence)
    .offset(CARRIED_AT_ONCE - 1)
    .limit(1)
)
_forward = (
    update(report_totals)
    .where(_t.merchant == bindparam("of"), _t.until == bindparam("after"))
    .values(
        until=bindparam("to"),
        **{name: report_totals.c[name] + bindparam(f"more_{name}") for name in Sums._fields},
    )
)
_begin = insert(report_totals)
LAST = 2**62
"""Above every number of a report."""


def sums_between(conn: Connection, merchant: bytes, after: int, until: int) -> Sums:
    """A reading: of the reports with numbers above `after`, up to `until`."""
    row = conn.execute(_sums, {"of": merchant, "after": after, "until": until}).one()
    return Sums(*(int(value) for value in row))


def carried(conn: Connection, merchant: bytes) -> tuple[int, Sums]:
    """A reading: (number of the last report in them, the sums)."""
    row = conn.execute(_carried, {"of": merchant}).one_or_none()
    if row is None:
        return 0, Sums(0, 0, 0, 0)
    return row.until, Sums(*(getattr(row, name) for name in Sums._fields))


def sums_of_all(conn: Connection, merchant: bytes) -> Sums:
    """A reading: of every report there is."""
    until, before = carried(conn, merchant)
    newest = sums_between(conn, merchant, until, LAST)
    return Sums(*(a + b for a, b in zip(before, newest, strict=True)))


@repeatable
@snapshot
def carry_forward(conn: Connection, merchant: bytes) -> bool:
    """Transaction: the next reports into the sums. False if there are too few to be worth it."""
    after, _ = carried(conn, merchant)
    until = conn.execute(_until, {"of": merchant, "after": after}).scalar_one_or_none()
    if until is None:
        return False
    more = sums_between(conn, merchant, after, until)
    if after == 0:
        conn.execute(_begin, {"merchant": merchant, "until": until} | more._asdict())
        return True
    changed = {f"more_{name}": value for name, value in more._asdict().items()}
    conn.execute(_forward, {"of": merchant, "after": after, "to": until} | changed)
    return True
