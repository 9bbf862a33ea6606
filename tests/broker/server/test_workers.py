"""Several brokers on one PostgreSQL database: shared sessions, batches, one that leads."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.broker_market import PASSWORD, Market
from tests.support.engines import both_engines
from tests.support.postgres import PostgresServer
from tests.support.scripted_broker import PRICE, Clock, ScriptedMerchant
from tests.support.waiting import until
from veilmart.broker import merchants
from veilmart.broker.audit import audit
from veilmart.broker.home import BrokerHome, open_home
from veilmart.broker.ledger import booking, hot_rows
from veilmart.broker.operator import bookkeeping
from veilmart.broker.schema import tables
from veilmart.broker.server.running import RunningBroker, shared_sessions
from veilmart.broker.sessions.session import Session
from veilmart.broker.sessions.shared_sessions import SharedSessions
from veilmart.crypto import identity
from veilmart.errors import InsufficientBalance, SessionUnknown
from veilmart.limits import SESSION_SECONDS
from veilmart.protocol import customer_messages as messages
from veilmart.protocol.customer_messages import Acknowledge, Cancel, Release

POSTGRES = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


class Workers:
    """Two brokers in one process, each with a pool and a memory of its own."""

    def __init__(self, first: Market, second: Market) -> None:
        self.first = first
        self.second = second
        self.both = (first, second)

    async def ask(self, worker: Market, session_id: bytes, request: Any) -> Any:
        """As the application does: fetch, decide, publish."""
        state = worker.broker.state
        session = await state.sessions.fetch(session_id, state.clock())
        try:
            answer = await worker.broker.app._decide(session, request, "test")
        finally:
            await state.sessions.publish(session, state.clock())
        return answer.message

    async def session(self, worker: Market) -> Session:
        session = worker.session()
        await worker.broker.state.sessions.publish(session, worker.clock())
        return session


@pytest.fixture
def pair(
    home: Path, postgres: str, postgres_server: PostgresServer, postgres_template: str
) -> Iterator[tuple[BrokerHome, BrokerHome]]:
    postgres_server.become_copy(postgres, postgres_template)
    with open_home(home, postgres) as first, open_home(home, postgres) as second:
        shared_sessions(first, os.urandom).make_table()
        yield first, second


@pytest.fixture
async def workers(
    pair: tuple[BrokerHome, BrokerHome], merchant_key: identity.IdentityKey
) -> AsyncIterator[Workers]:
    merchant = ScriptedMerchant(merchant_key, pair[0].fingerprint)
    pair[0].database.run_now(merchants.admit, merchant.descriptor, "127.0.0.1:9")
    clock, made = Clock(), []
    for opened in pair:
        events: list[Any] = []
        broker = RunningBroker(opened, clock, os.urandom, events.append, one_of_several=True)
        broker.links.ask = merchant.ask  # type: ignore[assignment, method-assign]
        broker.links.link = _nothing  # type: ignore[assignment, method-assign]
        made.append(Market(opened, broker, merchant, clock, events))
    yield Workers(*made)
    for market in made:
        await market.broker.aclose()


async def _nothing(_merchant: bytes) -> None:
    return None


def forget(worker: Market) -> None:
    """As if the second in which a worker believes its memory were over."""
    sessions = worker.broker.state.sessions
    assert isinstance(sessions, SharedSessions)
    for seen in sessions._seen.values():
        seen.looked_at -= 10


async def test_a_purchase_in_which_every_request_meets_another_worker(workers: Workers) -> None:
    first, second = workers.both
    name = (await workers.session(first)).keys.session_id
    register = messages.Register(username="anna", password=PASSWORD)
    welcome = await workers.ask(second, name, register)
    first.run(bookkeeping.credit, "anna", 20_00, False, first.clock())
    opening = first.opening(welcome.request_number)
    opened = await workers.ask(first, name, opening)
    assert await workers.ask(second, name, opening) == opened
    seed = os.urandom(32)
    order, first.merchant.invoice = first.merchant.make_invoice(seed, pay_by=first.clock() + 900)
    relay = messages.Relay(request_number=welcome.request_number, record=bytes(1100))
    assert (await workers.ask(second, name, relay)).payable.order == order
    paid = await workers.ask(first, name, first.pay(order))
    assert paid == await workers.ask(second, name, first.pay(order))
    first.seeds[order] = seed
    await workers.ask(second, name, first.act(Release, order))
    done = await workers.ask(first, name, first.act(Acknowledge, order))
    assert done.state == "settled"
    # The next number was handed out by one worker and is used at the other.
    again = await workers.ask(second, name, second.opening(opened.next_request_number))
    assert again.next_request_number
    first.check_books()


async def test_a_new_password_ends_sessions_at_every_worker(workers: Workers) -> None:
    first, second = workers.both
    names = []
    for worker in workers.both:
        session = await workers.session(worker)
        names.append(session.keys.session_id)
    await workers.ask(first, names[0], messages.Register(username="anna", password=PASSWORD))
    await workers.ask(
        second, names[1], messages.Login(username="anna", password=PASSWORD, device=b"")
    )
    await workers.ask(first, names[0], messages.ChangePassword(old=PASSWORD, new="another one"))
    forget(second)
    with pytest.raises(SessionUnknown):
        await workers.ask(second, names[1], messages.GetAccount())
    assert (await workers.ask(second, names[0], messages.GetAccount())).username == "anna"


async def test_two_workers_that_change_a_session_at_once_keep_both_changes(
    workers: Workers,
) -> None:
    first = workers.first
    name = (await workers.session(first)).keys.session_id
    start = await workers.ask(first, name, messages.Start())
    at = [await w.broker.state.sessions.fetch(name, w.clock()) for w in workers.both]
    numbers = [session.numbers.hand_out(os.urandom) for session in at]
    for worker, session in zip(workers.both, at, strict=True):
        await worker.broker.state.sessions.publish(session, worker.clock())
    for worker in workers.both:
        forget(worker)
        session = await worker.broker.state.sessions.fetch(name, worker.clock())
        known = [number for number, _ in session.numbers.items()]
        assert known == [start.request_number, *numbers]


async def test_a_session_ends_with_its_hour_and_its_key(workers: Workers) -> None:
    first, second = workers.both
    name = (await workers.session(first)).keys.session_id
    first.clock.now += SESSION_SECONDS - 1
    await second.broker.state.sessions.fetch(name, second.clock())
    first.clock.now += 1
    forget(second)
    with pytest.raises(SessionUnknown):
        await second.broker.state.sessions.fetch(name, second.clock())
    await first.broker.state.sessions.tidy(first.clock())
    rows = text("SELECT count(*) FROM customer_sessions")
    assert first.run(lambda conn: conn.execute(rows).scalar_one()) == 0


async def test_the_database_alone_opens_no_session(
    workers: Workers, postgres: str, postgres_server: PostgresServer
) -> None:
    first, second = workers.both
    name = (await workers.session(first)).keys.session_id
    await workers.ask(first, name, messages.Register(username="anna", password=PASSWORD))
    read = text("SELECT sealed, name FROM customer_sessions")
    sealed, _name = first.run(lambda conn: conn.execute(read).one())
    session = await first.broker.state.sessions.fetch(name, first.clock())
    for secret in (session.keys.request_key, session.keys.answer_key, b"anna"):
        assert secret not in sealed
    keys = first.opened.home.file("session-keys")
    assert keys.stat().st_mode & 0o777 == 0o600
    logged = text("SELECT relpersistence FROM pg_class WHERE relname = 'customer_sessions'")
    assert first.run(lambda conn: conn.execute(logged).scalar_one()) in ("u", b"u")
    keys.unlink()
    with pytest.raises(SessionUnknown):
        await second.broker.state.sessions.fetch(name, second.clock())


@pytest.mark.parametrize("change", ["sealed = sealed || 'x'", "hour = hour - 1", "suite = 2"])
async def test_a_row_that_was_tampered_with_is_no_session(workers: Workers, change: str) -> None:
    first, second = workers.both
    name = (await workers.session(first)).keys.session_id
    tamper = text(f"UPDATE customer_sessions SET {change}")
    first.run(lambda conn: conn.execute(tamper).rowcount)
    with pytest.raises(SessionUnknown):
        await second.broker.state.sessions.fetch(name, second.clock())


async def test_rows_cannot_be_exchanged(workers: Workers) -> None:
    first, second = workers.both
    names = [(await workers.session(first)).keys.session_id for _ in range(2)]
    swap = text("UPDATE customer_sessions SET name = :other WHERE name = :one")
    remove = text("DELETE FROM customer_sessions WHERE name = :one")

    def exchange(conn: Any) -> None:
        conn.execute(remove, {"one": names[1]})
        conn.execute(swap, {"one": names[0], "other": names[1]})

    first.run(exchange)
    with pytest.raises(SessionUnknown):
        await second.broker.state.sessions.fetch(names[1], second.clock())


async def test_one_worker_leads_and_another_takes_over(
    workers: Workers, postgres_server: PostgresServer
) -> None:
    first, second = workers.both
    assert await first.broker._look_who_leads()
    assert not await second.broker._look_who_leads()
    await first.broker._lease.aclose()
    async with asyncio.timeout(120):  # the server frees the lock when it notices the end
        while not await second.broker._look_who_leads():
            await asyncio.sleep(0.05)
    assert await second.broker._look_who_leads()
    assert not await first.broker._look_who_leads()
    # What happens at the one that does not lead is reported by the one that does.
    session = await first.customer("anna", 20_00)
    order = await first.offered(session)
    await first.ask(session, first.pay(order))
    await first.ask(session, first.act(Release, order))
    await first.ask(session, first.act(Acknowledge, order))
    await second.broker.look()
    await until(lambda: any(report.entries for report in first.merchant.reports))
    last = [report for report in first.merchant.reports if report.entries][-1]
    assert [(entry.sequence, entry.order) for entry in last.entries] == [(1, order)]
    assert last.balance == PRICE


@POSTGRES
async def test_hot_balances_are_added_up_in_batches_and_right_at_every_commit(
    market: Market,
) -> None:
    session = await market.customer("anna", 50_00)
    orders = [await market.offered(session) for _ in range(3)]
    account = market.broker.state.merchants.all()[0].account
    stored = text("SELECT balance FROM accounts WHERE id = :of")

    def stored_balance(of: int) -> int:
        return int(market.run(lambda conn: conn.execute(stored, {"of": of}).scalar_one()))

    for order in orders:
        await market.ask(session, market.pay(order))
        market.check_books()
    for order in orders[:2]:
        await market.ask(session, market.act(Release, order))
        await market.ask(session, market.act(Acknowledge, order))
        market.check_books()
    await market.ask(session, market.act(Cancel, orders[2]))
    assert (stored_balance(tables.ESCROW), stored_balance(account)) == (0, 0)
    assert market.run(booking.balance_of, account) == 2 * PRICE
    assert market.run(booking.totals)["merchant"] == 2 * PRICE
    market.run(hot_rows.add_up)
    assert (stored_balance(tables.ESCROW), stored_balance(account)) == (0, 2 * PRICE)
    market.check_books()
    assert [check.name for check in market.run(audit) if not check.holds] == []


@both_engines
async def test_a_payout_takes_what_was_settled_and_no_more(market: Market) -> None:
    session = await market.customer("anna", 50_00)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    await market.ask(session, market.act(Release, order))
    await market.ask(session, market.act(Acknowledge, order))
    name = market.broker.state.merchants.all()[0].name
    with pytest.raises(InsufficientBalance):
        market.run(bookkeeping.payout, name, PRICE + 1, market.clock())
    assert market.run(bookkeeping.payout, name, PRICE, market.clock(), "transfer").balance == 0
    market.check_books()


@both_engines
async def test_purchases_at_once_keep_the_books(market: Market) -> None:
    names = [f"customer{n}" for n in range(6)]
    sessions = [await market.customer(name, 5 * PRICE) for name in names]
    orders = [[await market.offered(session) for _ in range(2)] for session in sessions]

    async def buy(session: Session, order: bytes) -> None:
        pay = market.pay(order)
        # Sent twice at once, as after a lost answer: paid once, answered alike.
        paid = await asyncio.gather(market.ask(session, pay), market.ask(session, pay))
        assert paid[0] == paid[1]
        await market.ask(session, market.act(Release, order))
        await market.ask(session, market.act(Acknowledge, order))

    pairs = zip(sessions, orders, strict=True)
    await asyncio.gather(*(buy(session, order) for session, two in pairs for order in two))
    market.check_books()
    account = market.broker.state.merchants.all()[0].account
    assert market.run(booking.balance_of, account) == 12 * PRICE


@both_engines
async def test_a_key_and_a_refund_never_both(market: Market) -> None:
    """Release and cancel at once: one of them wins, whichever it is."""
    session = await market.customer("anna", 50_00)
    for _ in range(4):
        order = await market.offered(session)
        await market.ask(session, market.pay(order))
        outcomes = await asyncio.gather(
            market.ask(session, market.act(Release, order)),
            market.ask(session, market.act(Cancel, order)),
            return_exceptions=True,
        )
        assert len([outcome for outcome in outcomes if isinstance(outcome, Exception)]) == 1
    market.check_books()
