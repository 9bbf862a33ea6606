"""A merchant that lost what it had heard says so on its next link, and hears it again."""

import asyncio

from tests.support.broker_market import Served
from tests.support.engines import both_engines
from tests.support.waiting import until
from veilmart.broker.escrow import outbox
from veilmart.broker.ledger import booking
from veilmart.protocol.link_messages import REPORTS_MAX


async def heard(served: Served, most: int) -> list[int]:
    """Sequences of all entries, once the highest is there and nothing more comes."""
    await until(lambda: served.merchant.heard >= most)
    await asyncio.sleep(0.1)  # what came twice would come now
    return [e.sequence for report in served.merchant.reports for e in report.entries]


@both_engines
async def test_reports_are_repeated_from_the_last_one_that_the_merchant_has(
    served: Served,
) -> None:
    merchant, database = served.merchant, served.opened.database
    count = REPORTS_MAX + 3
    account = served.broker.state.merchants.all()[0].account
    for number in range(1, count + 1):
        order = number.to_bytes(32, "big")
        database.run_now(outbox.add_report, merchant.fingerprint, order, "refunded", 1)
    served.broker.reporter.wake(merchant.fingerprint)
    assert await heard(served, count) == list(range(1, count + 1))
    await served.broker.reporter.mark_delivered()
    # Restored from a backup: it has heard the first two.
    del merchant.reports[1:]
    first = merchant.reports[0]
    merchant.reports[0] = type(first)(entries=first.entries[:2], balance=first.balance)
    served.broker.links.renew()
    merchant.sessions.clear()
    await served.broker.look()
    assert await heard(served, count) == list(range(1, count + 1))
    assert merchant.reports[-1].balance == database.run_now(booking.balance_of, account)
    # One that has lost nothing hears nothing twice.
    served.broker.links.renew()
    merchant.sessions.clear()
    await served.broker.look()
    assert await heard(served, count) == list(range(1, count + 1))
