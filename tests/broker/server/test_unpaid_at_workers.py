"""What was paid at one worker takes no room at another one."""

import pytest

from tests.support.broker_market import Market
from tests.support.scripted_broker import PRICE
from veilmart.broker.operator import bookkeeping
from veilmart.broker.relay import tunnel_rules
from veilmart.broker.sessions.session import Session
from veilmart.errors import TooManyOpen
from veilmart.protocol import customer_messages as messages

POSTGRES = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
MOST = 3


async def logged_in(market: Market) -> Session:
    session = market.session()
    ask = messages.Login(username="anna", password="correct horse", device=b"")
    await market.ask(session, ask)
    return session


@POSTGRES
async def test_a_session_whose_orders_are_paid_elsewhere_can_go_on(
    workers: list[Market], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel_rules, "UNPAID_PER_SESSION_MAX", MOST)
    here, there = workers[:2]
    session = await here.customer("anna")
    here.run(bookkeeping.credit, "anna", 10 * PRICE, False, here.clock())
    elsewhere = await logged_in(there)
    for _ in range(2 * MOST):
        order = await here.offered(session)
        await there.ask(elsewhere, there.pay(order))
    for _ in range(MOST - len(session.unpaid) % MOST):
        await here.offered(session)
    for _ in range(MOST):
        try:
            await here.offered(session)
        except TooManyOpen:
            break
    else:
        raise AssertionError("what is not paid has no end")
    assert len(session.unpaid) == MOST
