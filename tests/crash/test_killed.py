"""A few kills of each scenario; `make crash` makes them all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.crash.cases import SCENARIOS, Case, find_cases, run_case
from tests.crash.market import Market, running_market
from tests.crash.matrix import STEPS, step_of

DIALLED_FEW = (
    ("dialled purchase", "broker", "Pay/payment_rules._pay/committed"),
    ("dialled purchase", "broker", "/>Report/heard"),
    ("dialled purchase", "merchant", "Select//answered"),
    ("dialled purchase", "customer", "/>Release/unsent"),
)
on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
FEW = (
    ("purchase", "broker", "Pay/payment_rules._pay/committed"),
    ("purchase", "merchant", "Select/orders.store_order/committed"),
    ("purchase", "customer", "/>Release/heard"),
    ("purchase", "customer", "/file/saved"),
    ("purchase", "broker", "Acknowledge/release_rules._step/uncommitted"),
    ("large purchase", "merchant", "FetchSegment//answered"),
    ("cancellation", "broker", "Cancel/release_rules._step/committed"),
    ("refund by time", "broker", "/sweeper.sweep_invoices/committed"),
    ("settlement by time", "customer", "/>Acknowledge/heard"),
    ("merchant refund", "broker", "RefundOrder/merchant_refund_rules._refund/committed"),
    ("dispute", "broker", "Dispute/dispute_rules._conclude/committed"),
    ("voucher issue", "operator", "/kept_codes.issue_and_keep/committed"),
    ("voucher redeem", "broker", "Redeem/vouchers.redeem/committed"),
    ("voucher void", "operator", "/vouchers.void_batch/uncommitted"),
    ("withdrawal", "broker", "AskToWithdraw/merchant_requests._note_withdrawal/committed"),
    ("payout", "operator", "/bookkeeping.payout/committed"),
    ("token withdrawal", "broker", "Issue/withdrawal_rules._issue/committed"),
    ("token purchase", "broker", "Spend/token_payment_rules._spend/committed"),
    ("token purchase", "customer", "/payment_rules._add_with_token/committed"),
    ("token refund", "customer", "/>GetRefund/heard"),
    ("token deposit", "broker", "Deposit/withdrawal_rules._deposit/committed"),
)


@pytest_asyncio.fixture
async def market(tmp_path: Path, database_url: str | None) -> AsyncIterator[Market]:
    async with running_market(tmp_path, database_url) as running:
        yield running


async def check_ends(market: Market, few: tuple[tuple[str, str, str], ...]) -> None:
    for scenario, party, point in few:
        step = step_of(scenario, party, point.rpartition("/")[0], 1)
        assert step is not None
        outcome = await run_case(market, Case(scenario, step, party, point, 1))
        assert not outcome.problem, f"{outcome.case}: {outcome.problem}"


async def test_the_end_is_right(market: Market) -> None:
    await check_ends(market, FEW)


@on_postgresql
async def test_the_end_is_right_on_postgresql(market: Market) -> None:
    await check_ends(market, FEW[::3])


async def test_the_end_is_right_where_the_merchant_dials(tmp_path: Path) -> None:
    async with running_market(tmp_path, dials=True) as dialled:
        await check_ends(dialled, DIALLED_FEW)


async def test_every_point_has_a_step(market: Market) -> None:
    for scenario in ("purchase", "refund by time", "settlement by time", "merchant refund"):
        cases = await find_cases(market, scenario)
        assert {case.party for case in cases} >= {"broker", "merchant", "customer"}


async def test_a_wrong_end_is_noticed(market: Market) -> None:
    """The check is not empty: money from nowhere makes the same case fail."""
    market.paid_in += 1
    case = Case("voucher void", "void", "operator", "/vouchers.void_batch/committed", 1)
    outcome = await run_case(market, case)
    assert "kept of" in outcome.problem


def test_every_scenario_has_steps_and_a_few_kills() -> None:
    assert set(SCENARIOS) == set(STEPS) == {name for name, _, _ in (*FEW, *DIALLED_FEW)}


async def test_a_doom_that_never_comes_true_is_a_failure(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.crash.cases.DOOM_SECONDS", 0.5)
    case = Case("voucher void", "void", "operator", "/nowhere/committed", 1)
    async with asyncio.timeout(60):
        outcome = await run_case(market, case)
    assert outcome.problem.startswith("TimeoutError")
