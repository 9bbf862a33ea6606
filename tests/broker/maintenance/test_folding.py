"""Folding: after it nobody can tell who bought from whom, and the books still add up."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from tests.broker.accounts.issuing import issue
from tests.broker.escrow.returning import refund_of
from tests.broker.maintenance.folded import MONTHS, kinds
from tests.broker.operator.bought import bought
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.scripted_broker import SLOW_SHELF
from veilmart.broker import merchants, settings
from veilmart.broker.audit import SUBJECTS, Check, Pace, audit
from veilmart.broker.escrow import outbox
from veilmart.broker.events import BooksFolded, TaskFailed
from veilmart.broker.ledger import booking
from veilmart.broker.ledger.folded_sums import AuditStatement
from veilmart.broker.maintenance import fold_months as months, fold_part, folding
from veilmart.broker.maintenance.folding import fold_until
from veilmart.broker.operator import bookkeeping
from veilmart.broker.schema import tables
from veilmart.broker.schema.upkeep_tables import folds
from veilmart.broker.sessions.session import Session
from veilmart.crypto import identity
from veilmart.errors import DatabaseFailure, LedgerViolated, WrongOrderState
from veilmart.protocol import customer_messages as messages, labels
from veilmart.protocol.descriptor import SIGNATURE_BYTES
from veilmart.protocol.encoding import decode


def balances(market: Market) -> list[tuple[int, int]]:
    """Of every account with anything; time makes new token keys, with accounts of their own."""
    query = select(tables.accounts.c.id, booking.true_balance).order_by(tables.accounts.c.id)
    return market.run(lambda conn: [(row[0], row[1]) for row in conn.execute(query) if row[1]])


def invoice(market: Market, order: bytes) -> Any:
    query = select(tables.invoices).where(tables.invoices.c.order == order)
    return market.run(lambda conn: conn.execute(query).one())


def parts_of(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for name in ("PART_FIRST", "PART_MIN", "PART_MAX"):
        monkeypatch.setattr(months, name, size)


async def held_for_long(market: Market, customer: Session) -> bytes:
    """A paid order whose deadline is far away."""
    order = await market.offered(customer, deliver_within=SLOW_SHELF.deliver_within)
    await market.ask(customer, market.pay(order))
    return order


async def finish(market: Market, order: bytes) -> None:
    await market.ask(market.session(), market.act(messages.Release, order))
    await market.ask(market.session(), market.act(messages.Acknowledge, order))


def test_a_month_is_folded_when_it_is_over_for_thirty_days() -> None:
    def at(text_: str) -> int:
        return int(datetime.fromisoformat(text_).replace(tzinfo=UTC).timestamp())

    assert fold_until(at("2026-03-30T23:59:59")) == at("2026-02-01")
    assert fold_until(at("2026-03-31T00:00:00")) == at("2026-03-01")
    assert fold_until(at("2026-01-15T00:00:00")) == at("2025-12-01")


@both_engines
async def test_folding_forgets_who_paid_and_keeps_every_balance(market: Market) -> None:
    anna, bert = await market.customer("anna", 5000), await market.customer("bert", 5000)
    market.run(settings.set_fee, 100)
    await market.broker.look()
    ended = [await bought(market, anna), await bought(market, bert), await bought(market, anna)]
    back = await bought(market, bert, settle=False)
    await market.ask(bert, market.act(messages.Cancel, back))
    (code,) = issue(market)
    await market.ask(anna, messages.Redeem(code=code))
    before = balances(market)
    market.clock.now += MONTHS
    await market.broker.sweep()
    assert any(isinstance(event, BooksFolded) for event in market.events)
    assert balances(market) == before
    assert kinds(market) == {"fold": 1}
    market.check_books()
    for order in (*ended, back):
        row = invoice(market, order)
        assert row.hold is None and row.due == 0 and row.held_at % 86400 == 0
    assert market.run(lambda conn: conn.execute(select(tables.operations)).all()) == []
    entries = select(tables.postings.c.account, tables.postings.c.amount)
    postings = market.run(lambda conn: conn.execute(entries).all())
    assert len({row.account for row in postings}) == len(postings)
    # Once more, nothing happens. Segments have ended; the key can still be released again.
    await market.broker.sweep()
    assert kinds(market) == {"fold": 1}
    with pytest.raises(WrongOrderState, match="Its segments ended"):
        await market.ask(market.session(), market.segment(ended[0]))
    await market.ask(market.session(), market.act(messages.Release, ended[0]))


@both_engines
async def test_purchases_go_on_while_the_books_are_audited(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await market.customer("anna", 5000)
    await bought(market, anna)
    meanwhile = await held_for_long(market, anna)
    auditing, go_on = threading.Event(), threading.Event()

    def slow_audit(conn: Connection, pace: Pace) -> list[Check]:
        found = audit(conn, pace=pace)
        auditing.set()
        assert go_on.wait(60), "nobody bought anything meanwhile"
        return found

    monkeypatch.setattr(folding, "audit", slow_audit)
    market.clock.now += MONTHS
    sweeping = asyncio.create_task(market.broker.sweep())
    await asyncio.to_thread(auditing.wait, 60)
    await finish(market, meanwhile)
    assert not sweeping.done()
    go_on.set()
    await sweeping
    # The month is folded, what was bought meanwhile is not, and the books are in order.
    assert kinds(market) == {"fold": 1, "hold": 1, "settle": 1}
    assert invoice(market, meanwhile).hold is not None
    market.check_books()


async def test_the_log_does_not_grow_while_the_books_are_audited(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await market.customer("anna", 50_000)
    for _ in range(2):
        await bought(market, anna)
    waiting = [await held_for_long(market, anna) for _ in range(20)]
    database = market.opened.database
    auditing, go_on = threading.Event(), threading.Event()

    def slow_audit(conn: Connection, pace: Pace) -> list[Check]:
        auditing.set()
        assert go_on.wait(60), "nobody bought anything meanwhile"
        return audit(conn, pace=pace)

    monkeypatch.setattr(folding, "audit", slow_audit)
    market.clock.now += MONTHS
    folded = asyncio.create_task(market.broker.upkeep.fold())
    await asyncio.to_thread(auditing.wait, 60)
    most, written = 0, database.commits
    for order in waiting:
        await finish(market, order)
        for number in range(50):
            market.run(settings.set_number, "a small change", number)
        most = max(most, database.log_bytes)
    assert database.commits - written >= 50 * len(waiting)
    go_on.set()
    await folded
    # 1,000 pages and one commit: then SQLite begins at the front of the log again.
    assert most < 5_000_000
    assert kinds(market)["fold"] > 0
    market.check_books()


@both_engines
async def test_purchases_get_in_between_the_parts_of_a_fold(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(monkeypatch, 1)
    anna = await market.customer("anna", 5000)
    for _ in range(4):
        await bought(market, anna)
    waiting = await held_for_long(market, anna)
    market.clock.now += MONTHS
    parts: list[int] = []
    run = market.opened.database.run

    async def watched(transaction: Any, *args: Any) -> Any:
        answer = await run(transaction, *args)
        if transaction is fold_part.fold:
            parts.append(len(args[0].ids))
            if len(parts) == 1:
                await finish(market, waiting)
        return answer

    monkeypatch.setattr(market.opened.database, "run", watched)
    await market.broker.sweep()
    assert parts == [1, 2, 2, 2, 2], "the credit, then hold and settlement of each order"
    assert kinds(market) == {"fold": 1, "hold": 1, "settle": 1}
    market.check_books()


async def test_what_is_under_way_is_not_folded(market: Market) -> None:
    anna = await market.customer("anna", 5000)
    order = await held_for_long(market, anna)
    market.clock.now += MONTHS
    await market.broker.sweep()
    assert kinds(market) == {"fold": 1, "hold": 1}
    await market.ask(market.session(), market.act(messages.Cancel, order))
    market.check_books()
    assert market.run(booking.balance_of, anna.login.account) == 5000  # type: ignore[union-attr]


async def test_the_statement_is_signed_and_says_what_was_folded(market: Market) -> None:
    anna = await market.customer("anna", 5000)
    await bought(market, anna)
    market.clock.now += MONTHS
    await market.broker.sweep()
    row = market.run(lambda conn: conn.execute(select(folds)).one())
    body = row.statement[SIGNATURE_BYTES:]
    spki = identity.public_spki(market.opened.identity)
    identity.verify_pss(spki, labels.AUDIT, body, row.statement[:SIGNATURE_BYTES])
    statement = decode(AuditStatement, body, 4096)
    assert (statement.settled, statement.settled_amount, statement.refunded) == (1, 500, 0)
    assert statement.checks == list(SUBJECTS)


async def test_books_that_are_broken_are_not_folded(market: Market) -> None:
    anna = await market.customer("anna", 5000)
    await bought(market, anna)
    market.run(
        lambda conn: conn.execute(text("UPDATE accounts SET balance = 1 WHERE id = 1")).rowcount
    )
    market.clock.now += MONTHS
    with pytest.raises(LedgerViolated):
        await market.broker.sweep()
    assert "fold" not in kinds(market)
    assert not any(isinstance(event, TaskFailed) for event in market.events)


async def test_a_folded_month_that_was_tampered_with_is_found(market: Market) -> None:
    anna = await market.customer("anna", 5000)
    await bought(market, anna)
    market.clock.now += MONTHS
    await market.broker.sweep()
    market.run(lambda conn: conn.execute(text("UPDATE invoices SET amount = 1")).rowcount)
    with pytest.raises(AssertionError):
        market.check_books()


@both_engines
async def test_the_parts_of_a_busy_month_leave_one_posting_of_an_account(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postings of each part would grow without end, and tell who bought within the same hour."""
    parts_of(monkeypatch, 2)
    anna, bert = await market.customer("anna", 5000), await market.customer("bert", 5000)
    for _ in range(3):
        await bought(market, anna)
        await bought(market, bert)
    before = balances(market)
    market.clock.now += MONTHS
    await market.broker.sweep()
    assert kinds(market) == {"fold": 1}
    amounts = select(tables.postings.c.account, tables.postings.c.amount)
    postings = market.run(lambda conn: [tuple(row) for row in conn.execute(amounts)])
    assert sorted(postings) == before, "anna, bert, the merchant and cash, once each"
    (row,) = market.run(lambda conn: conn.execute(select(folds)).all())
    assert (row.settled, row.settled_amount, row.refunded) == (6, 3000, 0)
    market.check_books()


@both_engines
async def test_what_was_given_back_whole_leaves_no_posting(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(monkeypatch, 1)
    await market.customer("anna", 500)
    market.run(bookkeeping.reverse_credit, "anna", 500, False, market.clock.now)
    market.clock.now += MONTHS
    await market.broker.sweep()
    assert kinds(market) == {}
    (row,) = market.run(lambda conn: conn.execute(select(folds)).all())
    assert row.entry is None
    market.check_books()


@both_engines
async def test_nobody_else_may_delete_from_the_books(market: Market) -> None:
    anna = await market.customer("anna", 5000)
    await bought(market, anna)
    for table in ("postings", "transactions"):
        with pytest.raises(DatabaseFailure, match="only grows"):
            market.run(lambda conn, t=table: conn.execute(text(f"DELETE FROM {t}")))
    market.check_books()


# ---- beside everything else ----------------------------------------------------------------------


@both_engines
async def test_an_order_that_is_given_back_before_its_part_is_written_is_read_again(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await market.customer("anna", 5000)
    order = await bought(market, anna)
    market.clock.now += MONTHS
    run = market.opened.database.run
    parts: list[float | None] = []

    async def watched(transaction: Any, *args: Any) -> Any:
        if transaction is fold_part.fold and not parts:
            await market.ask(market.session(), refund_of(market, order))
        answer = await run(transaction, *args)
        if transaction is fold_part.fold:
            parts.append(answer)
        return answer

    monkeypatch.setattr(market.opened.database, "run", watched)
    await market.broker.upkeep.fold()
    assert parts[0] is None and None not in parts[1:]
    row = market.run(lambda conn: conn.execute(select(folds.c.settled, folds.c.refunded)).all())
    assert (sum(r.settled for r in row), sum(r.refunded for r in row)) == (0, 1)
    market.check_books()


@both_engines
async def test_purchases_are_made_while_parts_are_folded(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(monkeypatch, 2)
    anna = await market.customer("anna", 50_000)
    for _ in range(12):
        await bought(market, anna)
    market.clock.now += MONTHS
    done = asyncio.Event()

    async def buy() -> int:
        count = 0
        while (not done.is_set() or not count) and count < 60:
            await finish(market, await held_for_long(market, anna))
            count += 1
        return count

    market.merchant.since = market.clock.now
    market.merchant.renew()
    market.run(merchants.add_descriptor, market.merchant.descriptor)
    market.run(settings.touch)
    await market.broker.look()
    buying = asyncio.create_task(buy())
    await market.broker.upkeep.fold()
    done.set()
    bought_meanwhile = await buying
    assert kinds(market)["settle"] == bought_meanwhile
    market.check_books()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_a_part_does_not_lose_to_what_is_written_beside_it(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merchant that was away gets its old reports, and others buy, in the middle of each part.

    In a snapshot of its own each of these reports would undo the part, again and again.
    """
    parts_of(monkeypatch, 2)
    anna = await market.customer("anna", 50_000)
    for _ in range(6):
        await bought(market, anna)
    waiting = [await held_for_long(market, anna) for _ in range(5)]
    merchant = market.merchant.fingerprint
    reports = market.run(outbox.next_reports, merchant, 0).entries
    market.clock.now += MONTHS
    loop = asyncio.get_running_loop()
    begun: list[list[bytes]] = []
    forget_payers, database = fold_part._forget_payers, market.opened.database

    async def meanwhile(number: int) -> None:
        await database.run(outbox.mark_delivered, {merchant: reports[number].sequence})
        await finish(market, waiting[number])

    def interrupted(conn: Connection, part: folding.Part) -> bool:
        if part.ended and len(begun) < len(waiting):
            begun.append(part.ended)
            asyncio.run_coroutine_threadsafe(meanwhile(len(begun) - 1), loop).result(60)
        return forget_payers(conn, part)

    monkeypatch.setattr(fold_part, "_forget_payers", interrupted)
    await market.broker.upkeep.fold()
    # The credit and the first order, two orders, two orders, the last one: none of them twice.
    assert [len(ended) for ended in begun] == [1, 2, 2, 1]
    assert kinds(market) == {"fold": 1, "hold": 5, "settle": 4}
    market.check_books()


def test_parts_grow_and_shrink_to_what_fits_into_their_time() -> None:
    sizes = months.PartSize(months.PART_SECONDS)
    sizes.took(months.PART_SECONDS / 10)
    assert sizes.size == 2 * months.PART_FIRST
    sizes.took(months.PART_SECONDS * 2)
    assert sizes.size == months.PART_FIRST
    sizes.took(1000)
    assert sizes.size == months.PART_MIN


@both_engines
async def test_a_fold_that_was_cut_off_goes_on_with_the_next_one(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of(monkeypatch, 3)
    anna = await market.customer("anna", 5000)
    for _ in range(4):
        await bought(market, anna)
    market.clock.now += MONTHS
    run = market.opened.database.run
    left = [1]

    async def dies(transaction: Any, *args: Any) -> Any:
        if transaction is fold_part.fold and not left:
            raise DatabaseFailure("It was killed.")
        if transaction is fold_part.fold:
            left.pop()
        return await run(transaction, *args)

    monkeypatch.setattr(market.opened.database, "run", dies)
    with pytest.raises(DatabaseFailure):
        await market.broker.upkeep.fold()
    monkeypatch.undo()
    market.check_books()
    await market.broker.upkeep.fold()
    assert set(kinds(market)) == {"fold"}
    market.check_books()
