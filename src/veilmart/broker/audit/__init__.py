"""The audit: everything the database claims, recomputed from postings and signed records.

One file for each subject, each a function of a connection that only reads; they all see the same
snapshot. `Database.read_long` gives one that blocks nobody and lets nothing grow.
docs/threat-model.md lists what an intruder with the database, but without any party's keys, can
change undetected.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from veilmart.broker.audit.books import check_accounts, check_escrow, check_transactions
from veilmart.broker.audit.customers import check_customers, check_devices
from veilmart.broker.audit.database_guards import check_guards
from veilmart.broker.audit.descriptors import check_merchant_descriptors, check_own_descriptors
from veilmart.broker.audit.findings import Check, Finding, Pace, Progress, Tally, no_pause
from veilmart.broker.audit.folded_months import check_folds
from veilmart.broker.audit.merchants import (
    check_join_requests,
    check_merchants,
    check_report_numbers,
    check_report_totals,
    check_withdrawals,
)
from veilmart.broker.audit.orders import check_orders
from veilmart.broker.audit.tokens import (
    check_issues,
    check_published,
    check_spent,
    check_token_keys,
)
from veilmart.broker.audit.trusted_keys import Known, load_known
from veilmart.broker.audit.vouchers import check_vouchers

__all__ = ["SUBJECTS", "Check", "Finding", "Pace", "Progress", "audit"]

Subject = Callable[[Connection, Known, Tally], None]

SUBJECTS: dict[str, Subject] = {
    "transactions": check_transactions,
    "accounts": check_accounts,
    "escrow": check_escrow,
    "orders": check_orders,
    "report numbers": check_report_numbers,
    "sums of reports": check_report_totals,
    "vouchers": check_vouchers,
    "token keys": check_token_keys,
    "withdrawn tokens": check_issues,
    "shown tokens": check_spent,
    "published lists": check_published,
    "withdrawals": check_withdrawals,
    "folded months": check_folds,
    "our descriptors": check_own_descriptors,
    "merchants": check_merchants,
    "merchants' descriptors": check_merchant_descriptors,
    "requests to join": check_join_requests,
    "customers": check_customers,
    "devices": check_devices,
    "guards": check_guards,
}


def audit(
    conn: Connection,
    broker: bytes | None = None,
    progress: Progress = lambda _name, _rows: None,
    pace: Pace = no_pause,
) -> list[Check]:
    """Every check, in one transaction, so that they all see the same books.

    broker: our fingerprint, from the identity's file; without it that of our newest descriptor.
    """
    known = load_known(conn, broker)
    checks = []
    for name, subject in SUBJECTS.items():
        tally = Tally(name, progress, pace)
        subject(conn, known, tally)
        checks.append(tally.check())
    return checks
