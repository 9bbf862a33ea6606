"""Evidence on its way to a dispute: bounded parts, kept for a day (12-disputes.md, 12.2).

Only the holder of the order key of a paid, released order can store parts, 1.6 MB at most for each
order. When all parts together exceed the limit, the order that has waited longest loses its parts,
and its customer sends them again.
"""

from sqlalchemy import Connection, delete, func, select

from veilmart.broker.schema.dispute_tables import evidence_parts
from veilmart.limits import EVIDENCE_KEPT_SECONDS, EVIDENCE_PARTS_STORED_MAX
from veilmart.storage.database.columns import insert

_e = evidence_parts.c
_count = select(func.count()).select_from(evidence_parts)
_oldest = select(_e.order).group_by(_e.order).order_by(func.max(_e.at), _e.order).limit(1)


def keep_part(conn: Connection, order: bytes, part: int, data: bytes, now: int) -> None:
    """Part of a transaction: store one part; the same one again is replaced."""
    row = {"order": order, "part": part, "data": data, "at": now}
    add = insert(evidence_parts).values(row)
    changed = {"data": data, "at": now}
    conn.execute(add.on_conflict_do_update(index_elements=[_e.order, _e.part], set_=changed))
    while conn.execute(_count).scalar_one() > EVIDENCE_PARTS_STORED_MAX:
        drop_parts(conn, conn.execute(_oldest).scalar_one())


def join_parts(conn: Connection, order: bytes, count: int) -> bytes:
    """Part of a transaction: parts 0 to count - 1 in one; what is missing leaves a shorter text,
    whose hash is another one.
    """
    query = select(_e.data).where(_e.order == order, _e.part < count).order_by(_e.part)
    return b"".join(conn.execute(query).scalars())


def drop_parts(conn: Connection, order: bytes) -> None:
    """Part of a transaction: the dispute is decided."""
    conn.execute(delete(evidence_parts).where(_e.order == order))


def forget_old(conn: Connection, now: int) -> None:
    """Delete parts on which no dispute was opened within a day."""
    conn.execute(delete(evidence_parts).where(_e.at < now - EVIDENCE_KEPT_SECONDS))
