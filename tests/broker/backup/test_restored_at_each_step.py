"""A broker restored from a backup of any step of a purchase: nobody is charged or paid twice."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.broker.backup.put_back import put_back
from tests.support.broker_market import PASSWORD, Market
from tests.support.scripted_broker import PRICE
from tests.support.token_wallet import TokenWallet
from veilmart.broker.backup_layout import LAYOUT
from veilmart.broker.home import open_home
from veilmart.broker.ledger import booking
from veilmart.broker.server.running import RunningBroker
from veilmart.broker.sessions.session import Session
from veilmart.errors import OrderUnknown, TokenKeyUnknown, VeilmartError
from veilmart.protocol import customer_messages as messages
from veilmart.protocol.token_messages import Deposit
from veilmart.storage.backup.backup import back_up

STEPS = ("funded", "offered", "held", "released", "settled", "reported")
CREDIT = 10 * PRICE


class Archives:
    """A backup taken at each named step."""

    def __init__(self, market: Market, folder: Path) -> None:
        self._market, self._folder = market, folder
        self.taken: dict[str, Path] = {}

    def take(self, step: str) -> None:
        opened, now = self._market.opened, self._market.clock()
        file = self._folder / f"{step}.tar"
        done = back_up(opened.home, LAYOUT, file, identity=opened.fingerprint, now=now)
        self.taken[step] = done.path


@asynccontextmanager
async def restored(market: Market, archive: Path) -> AsyncIterator[Market]:
    """The same market with the broker that was put back."""
    put_back(archive, market.opened)
    with open_home(market.opened.home.path) as opened:
        broker = RunningBroker(opened, market.clock, os.urandom, market.events.append)
        broker.links.ask = market.merchant.ask  # type: ignore[assignment, method-assign]
        yield Market(opened, broker, market.merchant, market.clock, market.events, market.seeds)
        await broker.aclose()


async def entered(market: Market) -> Session:
    """Anna, as she is known by her password."""
    session = market.session()
    await market.ask(session, messages.Login(username="anna", password=PASSWORD, device=b""))
    return session


async def go_on(market: Market, session: Session, order: bytes) -> str:
    """What a wallet does that has come to the end of this order before; its state afterwards."""
    requests = (
        market.pay(order),
        market.act(messages.Release, order),
        market.act(messages.Acknowledge, order),
    )
    for request in requests:
        try:
            await market.ask(session, request)
        except VeilmartError as fault:
            # It is told so in a typed way, and asks what became of the order.
            assert fault.code
    try:
        return str((await market.ask(session, market.status(order))).state)
    except OrderUnknown:
        return "unknown"


@pytest.mark.parametrize("step", STEPS)
async def test_a_purchase(market: Market, tmp_path: Path, step: str) -> None:
    archives = Archives(market, tmp_path)
    session = await market.customer("anna", CREDIT)
    archives.take("funded")
    order = await market.offered(session)
    archives.take("offered")
    await market.ask(session, market.pay(order))
    archives.take("held")
    await market.ask(session, market.act(messages.Release, order))
    archives.take("released")
    await market.ask(session, market.act(messages.Acknowledge, order))
    archives.take("settled")
    await market.broker.reporter.mark_delivered()
    archives.take("reported")
    assert tuple(archives.taken) == STEPS
    market.opened.database.close()
    async with restored(market, archives.taken[step]) as again:
        again.check_books()
        session = await entered(again)
        state = await go_on(again, session, order)
        assert state == ("unknown" if step == "funded" else "settled")
        paid = 0 if state == "unknown" else PRICE
        assert session.login is not None
        assert again.run(booking.balance_of, session.login.account) == CREDIT - paid
        merchant = again.broker.state.merchants.all()[0].account
        assert again.run(booking.balance_of, merchant) == paid
        # Once more, and at every deadline: nothing changes.
        await go_on(again, session, order)
        again.clock.now += 24 * 3600
        await again.broker.sweep()
        assert again.run(booking.totals) == {
            "cash": -CREDIT,
            "customer": CREDIT - paid,
            "escrow": 0,
            "fees": 0,
            "merchant": paid,
            "tokens": 0,
        }
        again.check_books()


@pytest.mark.parametrize("step", ["held", "cancelled"])
async def test_an_order_that_was_cancelled_since(market: Market, tmp_path: Path, step: str) -> None:
    archives = Archives(market, tmp_path)
    session = await market.customer("anna", CREDIT)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    archives.take("held")
    await market.ask(session, market.act(messages.Cancel, order))
    archives.take("cancelled")
    market.opened.database.close()
    async with restored(market, archives.taken[step]) as again:
        session = await entered(again)
        again.clock.now += 24 * 3600
        await again.broker.sweep()
        assert session.login is not None
        assert again.run(booking.balance_of, session.login.account) == CREDIT
        again.check_books()


@pytest.mark.parametrize("step", ["funded", "withdrawn", "spent"])
async def test_tokens(market: Market, tmp_path: Path, step: str) -> None:
    """No more tokens are taken than were withdrawn in the restored books, and the books hold."""
    archives = Archives(market, tmp_path)
    session, wallet = await market.customer("anna", CREDIT), TokenWallet(market)
    archives.take("funded")
    tokens = await wallet.withdraw(session, 2)
    archives.take("withdrawn")
    order = await market.offered(market.session())
    await wallet.spend(order, tokens[0])
    archives.take("spent")
    market.opened.database.close()
    async with restored(market, archives.taken[step]) as again:
        session = await entered(again)
        taken = 0
        for token in tokens:
            try:
                await again.ask(session, Deposit(token=token))
                taken += 1
            except (VeilmartError, TokenKeyUnknown):
                continue
        assert taken == {"funded": 0, "withdrawn": 2, "spent": 1}[step]
        again.check_books()
