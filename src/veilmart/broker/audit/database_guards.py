"""The triggers and indexes that protect the books exist; settings are valid."""

from sqlalchemy import Connection, select, text

from veilmart.broker.audit.findings import Tally
from veilmart.broker.audit.trusted_keys import Known
from veilmart.broker.ledger.folded_sums import UNLOCKED
from veilmart.broker.ledger.hot_rows import are_deferred
from veilmart.broker.schema import tables
from veilmart.limits import PRICE_POINTS_MAX

TRIGGERS_SQLITE = (
    "postings_no_delete",
    "postings_no_update",
    "transactions_no_delete",
    "transactions_no_update",
)
TRIGGERS_POSTGRESQL = (
    "postings_no_change",
    "postings_no_truncate",
    "transactions_no_change",
    "transactions_no_truncate",
)
INDEXES = ("once_per_order", "once_per_voucher", "once_given_back")
_SQLITE = text("SELECT name FROM sqlite_master WHERE type IN ('trigger', 'index')")
_POSTGRESQL = text(
    "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D' "
    "AND tgrelid IN ('postings'::regclass, 'transactions'::regclass) "
    "UNION SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
)


def check_guards(conn: Connection, known: Known, tally: Tally) -> None:
    """guard-missing, books-unlocked, price-point."""
    shared = are_deferred(conn)
    there = set(conn.execute(_POSTGRESQL if shared else _SQLITE).scalars())
    for guard in (*(TRIGGERS_POSTGRESQL if shared else TRIGGERS_SQLITE), *INDEXES):
        tally.row()
        if guard not in there:
            what = "The database lets the books be changed, or money move twice."
            tally.find("guard-missing", guard, what)
    unlocked = select(tables.settings.c.name).where(tables.settings.c.name == UNLOCKED)
    if conn.execute(unlocked).one_or_none() is not None:
        tally.find("books-unlocked", "settings", "The books can be deleted from, as while folding.")
    points = conn.execute(select(tables.price_points.c.amount)).scalars().all()
    if len(points) > PRICE_POINTS_MAX or any(point <= 0 for point in points):
        tally.find("price-point", "price points", "Some are none, or there are too many.")
