"""What a broker does by itself: a duty that fails stops no other one, and everybody can see it."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.broker.called import run
from tests.broker.operator.bought import bought
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from veilmart.broker import merchants
from veilmart.broker.audit import audit
from veilmart.broker.audit.sign_off import sign_off
from veilmart.broker.events import BooksFolded, TaskFailed
from veilmart.broker.maintenance.duty import Duty, duty_lines
from veilmart.broker.server.counters import broker_metrics
from veilmart.errors import DescriptorForked, LedgerViolated, NoSuchFinding
from veilmart.protocol import customer_messages as messages
from veilmart.protocol.descriptor import read_descriptor

MONTHS = 62 * 24 * 3600


def change(market: Market, statement: str, **bound: Any) -> None:
    market.run(lambda conn: conn.execute(text(statement), bound).rowcount)


def broken_books(market: Market, balance: int = 1) -> None:
    change(market, "UPDATE accounts SET balance = :balance WHERE id = 1", balance=balance)


def duty(market: Market, name: str) -> Duty:
    return next(duty for duty in market.broker.upkeep.duties if duty.name == name)


# ---- each on its own -----------------------------------------------------------------------------


@both_engines
async def test_books_that_cannot_be_folded_do_not_keep_the_descriptor_from_being_renewed(
    market: Market,
) -> None:
    await bought(market, await market.customer("anna", 5000))
    broken_books(market)
    before = market.broker.state.own.newest.serial
    market.clock.now += MONTHS
    with pytest.raises(LedgerViolated):
        await market.broker.sweep()
    assert market.broker.state.own.newest.serial > before
    assert market.broker.state.own.newest.not_after > market.clock.now
    assert duty(market, "folding").failing_since == market.clock.now
    assert duty(market, "renewal").done_at == market.clock.now


async def test_what_fails_is_tried_again_with_growing_pauses() -> None:
    outcomes = [OSError("gone"), OSError("gone"), OSError("gone"), None]

    async def work() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    one = Duty("one", 5, 25, work)
    pauses = []
    for now in range(100, 104):
        await one.once(now)
        pauses.append(one.pause_seconds)
    assert pauses == [10, 20, 25, 5]
    assert (one.done_at, one.failing_since, one.error) == (103, None, "")


async def test_a_running_broker_goes_on_with_other_duties_and_tells_of_the_one_that_fails(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep, done = market.broker.upkeep, asyncio.Event()

    async def fails() -> None:
        raise RuntimeError("a text that may quote a row")

    async def works() -> None:
        done.set()

    duties = [Duty("failing", 0.01, 1, fails), Duty("working", 0.01, 1, works)]
    tasks = [asyncio.create_task(upkeep.keep(each)) for each in duties]
    await asyncio.wait_for(done.wait(), 20)
    while not any(isinstance(event, TaskFailed) for event in market.events):
        await asyncio.sleep(0.01)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    trouble = next(event for event in market.events if isinstance(event, TaskFailed))
    assert (trouble.task, trouble.error) == ("Duty failing", "RuntimeError")


# ---- everybody can see it ------------------------------------------------------------------------


@both_engines
async def test_a_duty_that_fails_is_written_down_until_it_succeeds(market: Market) -> None:
    await bought(market, await market.customer("anna", 5000))
    broken_books(market)
    market.clock.now += MONTHS
    with pytest.raises(LedgerViolated):
        await market.broker.sweep()
    lines = {line.name: line for line in market.run(duty_lines)}
    assert lines["folding"].failing_since == market.clock.now
    assert lines["folding"].error.startswith("error 5105")
    assert lines["deadlines"].failing_since is None
    assert lines["deadlines"].done_at == market.clock.now
    broken_books(market, -5000)
    await duty(market, "folding").once(market.clock.now)
    assert duty(market, "folding").failing_since is None


async def test_metrics_say_how_long_ago_each_duty_was_done(market: Market) -> None:
    metrics = broker_metrics()
    market.broker.describe(metrics)
    await market.broker.sweep()
    market.clock.now += 77
    shown = metrics.render()
    assert "veilmart_broker_duty_folding_seconds 77.0" in shown
    assert "veilmart_broker_duties_failing 0.0" in shown


async def test_the_status_command_names_what_fails(
    market: Market, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await bought(market, await market.customer("anna", 5000))
    broken_books(market)
    market.clock.now += MONTHS
    with pytest.raises(LedgerViolated):
        await market.broker.sweep()
    assert run("status", home=home) == 0
    said = capsys.readouterr().out
    assert "FAILS  folding: never done, not since" in said
    assert "SOME DUTIES FAIL." in said
    run("status", "--json", home=home)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ok"] is False


# ---- findings that were looked at ----------------------------------------------------------------


@both_engines
async def test_a_finding_that_was_signed_off_no_longer_stops_folding(market: Market) -> None:
    order = await bought(market, await market.customer("anna", 5000))
    change(market, 'UPDATE invoices SET held_at = held_at + 1 WHERE "order" = :o', o=order)
    market.clock.now += MONTHS
    with pytest.raises(LedgerViolated):
        await market.broker.sweep()
    checks = market.run(audit)
    found = {(each.name, each.row) for check in checks for each in check.findings}
    assert found
    with pytest.raises(NoSuchFinding):
        market.run(sign_off, checks, "hold-differs", "another row", "why", market.clock.now)
    for name, row in found:
        market.run(sign_off, checks, name, row, "a test did it", market.clock.now)
    await market.broker.upkeep.fold()
    assert any(isinstance(event, BooksFolded) for event in market.events)


@both_engines
async def test_another_fault_of_a_row_that_was_signed_off_stops_folding(market: Market) -> None:
    await bought(market, await market.customer("anna", 5000))
    broken_books(market)
    checks = market.run(audit)
    for name, row in {(each.name, each.row) for check in checks for each in check.findings}:
        market.run(sign_off, checks, name, row, "looked at", market.clock.now)
    broken_books(market, 2)
    market.clock.now += MONTHS
    with pytest.raises(LedgerViolated):
        await market.broker.upkeep.fold()


# ---- clocks that are set back --------------------------------------------------------------------


async def act(market: Market, order: bytes, kind: Any, back: int) -> None:
    market.clock.now -= back
    await market.ask(market.session(), market.act(kind, order))


@both_engines
@pytest.mark.parametrize("back", [1, 3600])
async def test_times_of_an_order_never_run_backwards(market: Market, back: int) -> None:
    anna = await market.customer("anna", 5000)
    settled = await bought(market, anna, settle=False)
    await act(market, settled, messages.Release, back)
    await act(market, settled, messages.Acknowledge, back)
    cancelled = await bought(market, anna, settle=False)
    await act(market, cancelled, messages.Cancel, back)
    market.check_books()
    market.clock.now += MONTHS
    await market.broker.sweep()
    assert any(isinstance(event, BooksFolded) for event in market.events)
    market.check_books()


@both_engines
async def test_a_receipt_under_a_key_from_before_the_clock_was_set_back_is_still_ours(
    market: Market,
) -> None:
    anna = await market.customer("anna", 5000)
    market.clock.now -= 5 * 24 * 3600
    market.merchant.since = market.clock.now
    await bought(market, anna)
    market.check_books()


# ---- what the audit judges is judged at the door -------------------------------------------------


@both_engines
async def test_a_descriptor_that_does_not_name_this_broker_is_not_taken(market: Market) -> None:
    merchant, known = market.merchant, market.broker.state.merchants
    before = known.known(merchant.fingerprint).newest.signed
    ours, merchant.broker = merchant.broker, os.urandom(32)
    merchant.renew()
    session = await market.customer("anna")
    asked = messages.GetMerchant(fingerprint=merchant.fingerprint, serial=0)
    answer = await market.ask(session, asked)
    assert answer.signed == before
    merchant.broker = ours
    market.check_books()


@both_engines
async def test_descriptors_that_arrive_in_the_wrong_order_keep_one_chain(market: Market) -> None:
    merchant = market.merchant
    older = merchant.descriptor
    merchant.renew()
    middle = merchant.descriptor
    merchant.renew()
    market.run(merchants.add_descriptor, merchant.descriptor)
    market.run(merchants.add_descriptor, middle)
    market.run(merchants.add_descriptor, older)
    market.check_books()


@both_engines
async def test_a_descriptor_that_does_not_follow_the_stored_one_is_refused(market: Market) -> None:
    merchant = market.merchant
    forked = read_descriptor(merchant.describe(2, os.urandom(32)))
    with pytest.raises(DescriptorForked):
        market.run(merchants.add_descriptor, forked)
    market.check_books()


async def test_the_fee_of_an_invoice_is_one_that_was_published(market: Market) -> None:
    """The settings may say otherwise for a moment, until a descriptor has told it."""
    anna = await market.customer("anna", 5000)
    state = market.broker.state
    state.settings = replace(state.settings, fee_basis_points=300)
    await bought(market, anna)
    market.check_books()
