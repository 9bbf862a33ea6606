"""A statement's sums are carried forward: right at every step, and never added up twice."""

import pytest
from sqlalchemy import bindparam, select

from tests.broker.escrow.returning import refund_of
from tests.broker.operator.bought import bought, fetch
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE
from veilmart.broker import settings
from veilmart.broker.operator import running_totals
from veilmart.broker.schema import tables
from veilmart.protocol import customer_messages as messages


@both_engines
async def test_carrying_forward_changes_no_statement(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two reports at a time, so that what is given back is carried before, with and after it."""
    anna = await market.customer("anna", 10_000)
    market.run(settings.set_fee, 250)
    await market.broker.look()
    sold = [await bought(market, anna) for _ in range(3)]
    back = await bought(market, anna, settle=False)
    await market.ask(anna, market.act(messages.Cancel, back))
    await market.ask(market.session(), refund_of(market, sold[0]))
    whole = (await fetch(market)).totals
    _two_at_once(monkeypatch)
    carried = (await fetch(market)).totals
    until, _sums = market.run(running_totals.carried, market.merchant.fingerprint)
    assert until == 4 and carried == whole
    await market.ask(market.session(), refund_of(market, sold[1]))
    later = (await fetch(market)).totals
    until, _sums = market.run(running_totals.carried, market.merchant.fingerprint)
    assert until == 6 and later is not None
    assert (later.settled, later.given_back, later.refunded) == (3 * PRICE, 2 * PRICE, PRICE)
    market.check_books()


async def test_a_request_reads_only_what_is_newer(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    _two_at_once(monkeypatch)
    anna = await market.customer("anna", 10_000)
    for _ in range(5):
        await bought(market, anna)
    await fetch(market)
    read: list[int] = []
    real = running_totals.sums_between

    def watched(conn: object, merchant: bytes, after: int, until: int) -> running_totals.Sums:
        read.append(after)
        return real(conn, merchant, after, until)  # type: ignore[arg-type]

    monkeypatch.setattr(running_totals, "sums_between", watched)
    await fetch(market)
    assert read == [4]


def _two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    r = tables.reports.c
    two = (
        select(r.sequence)
        .where(r.merchant == bindparam("of"), r.sequence > bindparam("after"))
        .order_by(r.sequence)
        .offset(1)
        .limit(1)
    )
    monkeypatch.setattr(running_totals, "_until", two)
