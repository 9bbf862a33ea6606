"""No transaction of a broker reads a table that grows from end to end."""

from typing import Any

from tests.broker.audit.audited_market import live
from tests.conftest import both_engines
from tests.storage.database.statements import recorded, scans_postgres, scans_sqlite
from veilmart.broker.home import BrokerHome
from veilmart.crypto.identity import IdentityKey

GROWING = {
    *("transactions", "postings", "accounts", "customers", "devices", "invoices", "operations"),
    *("reports", "spent_tokens", "token_issues", "vouchers", "disputes", "refund_papers"),
    *("withdrawals", "folds", "published", "published_pages", "merchant_descriptors", "guesses"),
}


@both_engines
async def test_no_transaction_reads_a_growing_table_from_end_to_end(
    opened: BrokerHome, merchant_key: IdentityKey, other_key: IdentityKey
) -> None:
    with recorded() as statements:
        await live(opened, merchant_key, other_key)
    assert len(statements) > 100
    scanned = {}
    for statement in statements.values():
        found = opened.database.run_now(_scans, statement) & GROWING
        if found:
            scanned[statement[0]] = found
    assert scanned == {}


def _scans(conn: Any, statement: Any) -> set[str]:
    raw = conn.connection.driver_connection
    if conn.dialect.name == "sqlite":
        return scans_sqlite(raw, statement)
    with raw.cursor() as cursor:
        return scans_postgres(cursor, statement)
