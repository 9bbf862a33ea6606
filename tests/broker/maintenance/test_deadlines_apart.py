"""One order whose deadline cannot pass does not keep the others' from passing."""

import pytest
from sqlalchemy import text

from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE
from veilmart.broker.escrow import invoices
from veilmart.broker.events import TaskFailed
from veilmart.broker.ledger import booking
from veilmart.broker.maintenance import sweeper


@both_engines
@pytest.mark.parametrize("at_once", [1, 2, 256])
async def test_one_order_that_cannot_be_refunded_holds_nobody_up(
    market: Market, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(invoices, "_due", invoices._due.limit(at_once))
    monkeypatch.setattr(sweeper, "DUE_AT_ONCE", at_once)
    session = await market.customer("anna", 5 * PRICE)
    orders = []
    for _ in range(5):
        orders.append(await market.offered(session))
        await market.ask(session, market.pay(orders[-1]))
    # Two of them are damaged: their payer cannot be found, in the middle and at the beginning.
    damage = text('UPDATE invoices SET hold = NULL WHERE "order" = :of')
    for bad in (min(orders), orders[2]):
        market.run(lambda conn, of: conn.execute(damage, {"of": of}) and None, bad)
    market.clock.now += 3600
    await market.broker.sweep()
    states = [(await market.ask(session, market.status(order))).state for order in orders]
    good = len(orders) - len({min(orders), orders[2]})
    assert states.count("refunded") == good
    told = [e.task for e in market.events if isinstance(e, TaskFailed)]
    assert f"Deadline of order {orders[2].hex()[:16]}" in told
    assert session.login is not None
    assert market.run(booking.balance_of, session.login.account) == good * PRICE
    # Another sweep tries them again, and nothing else happens.
    await market.broker.sweep()
    assert market.run(booking.balance_of, session.login.account) == good * PRICE
