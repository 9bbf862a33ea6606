"""No transaction of a broker reads a table that grows from end to end."""

import os
from contextlib import suppress
from functools import partial

from tests.broker.audit.audited_market import Life, live
from tests.support.engines import both_engines
from tests.support.statements import recorded, scans
from veilmart.broker.accounts import administration, vouchers
from veilmart.broker.home import BrokerHome
from veilmart.broker.operator import admission, bookkeeping
from veilmart.broker.operator.merchant_requests import decline_withdrawal, withdrawal_lines
from veilmart.crypto.identity import IdentityKey
from veilmart.errors import NoSuchCode

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
        life = await live(opened, merchant_key, other_key)
        _operate(life)
    assert len(statements) > 110
    scanned = {}
    for statement in statements.values():
        found = opened.database.run_now(scans, statement) & GROWING
        if found:
            scanned[statement[0]] = found
    assert scanned == {}


def _operate(life: Life) -> None:
    """The commands of the operator that write, those of `live` aside."""
    run, now = life.market.run, life.market.clock()
    credited = partial(bookkeeping.credit, repeats=False)
    for name, merchant in (("anna", False), ("shop", True)):
        run(credited, name, 900, merchant, now)
    batch = run(vouchers.issue_vouchers, 3, 50, now, os.urandom).batch
    with suppress(NoSuchCode):
        run(vouchers.confirm_vouchers, None, batch)
    run(vouchers.void_batch, batch, now)
    run(administration.disable, "bert", True, now)
    run(administration.reset, "bert", "$argon2id$", now)
    run(administration.disable, "bert", False, now)
    (waiting,) = run(partial(withdrawal_lines, waiting=True))
    run(decline_withdrawal, waiting.id, now)
    run(admission.suspend_merchant, "shop")
