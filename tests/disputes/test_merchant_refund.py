"""The merchant gives an order's money back: in every state, twice, too late, and not its own."""

import asyncio
from typing import Any

import pytest

from tests.disputes.court import CREDIT, PRICE, Court
from tests.support.engines import both_engines
from tests.support.scripted_broker import ScriptedMerchant
from tests.support.signed_orders import Cheats
from veilmart.broker import events, merchants, settings
from veilmart.broker.operator import bookkeeping
from veilmart.errors import (
    ClocksDiffer,
    InsufficientBalance,
    MalformedMessage,
    MerchantUnknown,
    NotYourBroker,
    OrderUnknown,
    SignatureInvalid,
    TooLateToRefund,
    WrongOrderState,
)
from veilmart.limits import SIGNED_REQUEST_SECONDS
from veilmart.protocol import labels
from veilmart.protocol.customer_messages import Acknowledge, Cancel
from veilmart.protocol.dispute_messages import RefundOrder, RefundRequest
from veilmart.protocol.signed_requests import sign_request

MONTHS = 100 * 24 * 3600


@both_engines
@pytest.mark.parametrize("state", ["held", "released", "settled"])
async def test_the_whole_amount_goes_back(court: Court, state: str) -> None:
    papers = await getattr(court, state)()
    await court.give_back(court.refund(papers))
    assert court.money() == (CREDIT, 0)
    assert await court.state(papers) == "refunded"
    assert events.OrderReturned(papers.order) in court.market.events
    told = {"held": ["refunded"], "released": ["returned"], "settled": ["settled", "returned"]}
    assert [event for _, event in court.reports()] == told[state]
    court.market.check_books()


@both_engines
@pytest.mark.parametrize("state", ["held", "released", "settled"])
async def test_the_same_paper_again_changes_nothing(court: Court, state: str) -> None:
    """Sent twice, sent at once, signed anew: one refund."""
    papers = await getattr(court, state)()
    paper = court.refund(papers)
    await asyncio.gather(*(court.give_back(paper) for _ in range(4)))
    reports = court.reports()
    await court.give_back(court.refund(papers, at=court.market.clock() + 5))
    assert court.money() == (CREDIT, 0)
    assert court.reports() == reports
    court.market.check_books()


async def test_the_broker_keeps_its_fee(court: Court) -> None:
    market = court.market
    market.run(settings.set_fee, 1000)
    await market.broker.look()
    papers = await court.settled()
    assert court.money() == (CREDIT - PRICE, PRICE - 50)
    with pytest.raises(InsufficientBalance):
        await court.give_back(court.refund(papers))
    await court.settled()
    await court.give_back(court.refund(papers))
    assert court.money() == (CREDIT - PRICE, PRICE - 100)
    market.check_books()


async def test_a_balance_that_does_not_cover_it(court: Court) -> None:
    papers = await court.settled()
    court.market.run(bookkeeping.payout, "shop", 1, court.market.clock(), "transfer 1")
    with pytest.raises(InsufficientBalance):
        await court.give_back(court.refund(papers))
    assert await court.state(papers) == "settled"
    assert court.money() == (CREDIT - PRICE, PRICE - 1)


async def test_an_order_that_nobody_paid(court: Court) -> None:
    session = await court.market.customer("anna", CREDIT)
    order = await court.market.offered(session)
    paper = RefundRequest(
        broker=court.market.opened.fingerprint,
        merchant=court.market.merchant.fingerprint,
        order=order,
        at=court.market.clock(),
    )
    signed = sign_request(court.market.merchant.key, labels.MERCHANT_REFUND, paper)
    with pytest.raises(WrongOrderState):
        await court.give_back(RefundOrder(signed=signed))


async def test_after_a_cancellation_it_changes_nothing(court: Court) -> None:
    papers = await court.held()
    await court.act(Cancel, papers)
    await court.give_back(court.refund(papers))
    assert court.money() == (CREDIT, 0)
    assert [event for _, event in court.reports()] == ["refunded"]


async def test_after_a_dispute_it_changes_nothing(court: Court) -> None:
    papers = await court.released(cheats=Cheats(sealed_key=bytes(64)))
    await court.dispute(papers, "key")
    await court.give_back(court.refund(papers))
    assert court.money() == (CREDIT, 0)
    court.market.check_books()


@both_engines
async def test_acknowledged_and_refunded_at_once(court: Court) -> None:
    """Whichever comes first: the customer has the money back, once."""
    papers = await court.released()
    outcomes = await asyncio.gather(
        court.act(Acknowledge, papers),
        court.give_back(court.refund(papers)),
        return_exceptions=True,
    )
    assert not isinstance(outcomes[1], BaseException)
    assert court.money() == (CREDIT, 0)
    court.market.check_books()


# ---- papers that are not good --------------------------------------------------------------------


async def test_a_paper_of_another_merchant(court: Court, other_key: Any) -> None:
    """Signed rightly by a merchant that the broker carries, for an order that is not its own."""
    stranger = ScriptedMerchant(other_key, court.market.opened.fingerprint)
    court.market.run(merchants.admit, stranger.descriptor, "127.0.0.1:8")
    views = court.market.run(merchants.load_merchants)
    court.market.broker.state.merchants.replace(views)
    papers = await court.released()
    with pytest.raises(OrderUnknown):
        await court.give_back(court.refund(papers, other_key, merchant=stranger.fingerprint))
    with pytest.raises(SignatureInvalid):
        await court.give_back(court.refund(papers, other_key))
    assert await court.state(papers) == "released"


async def test_a_merchant_that_the_broker_does_not_carry(court: Court, other_key: Any) -> None:
    papers = await court.released()
    with pytest.raises(MerchantUnknown):
        await court.give_back(court.refund(papers, other_key, merchant=b"m" * 32))


async def test_a_paper_for_another_broker(court: Court) -> None:
    papers = await court.released()
    with pytest.raises(NotYourBroker):
        await court.give_back(court.refund(papers, broker=b"b" * 32))


@pytest.mark.parametrize("late", [SIGNED_REQUEST_SECONDS + 1, -SIGNED_REQUEST_SECONDS - 1])
async def test_a_stale_paper(court: Court, late: int) -> None:
    papers = await court.released()
    with pytest.raises(ClocksDiffer):
        await court.give_back(court.refund(papers, at=court.market.clock() - late))


async def test_a_paper_signed_for_something_else(court: Court) -> None:
    papers = await court.released()
    paper = RefundRequest(
        broker=court.market.opened.fingerprint,
        merchant=court.market.merchant.fingerprint,
        order=papers.order,
        at=court.market.clock(),
    )
    for label in (labels.WITHDRAWAL, labels.JOIN_REQUEST, labels.DESCRIPTOR):
        signed = sign_request(court.market.merchant.key, label, paper)
        with pytest.raises(SignatureInvalid):
            await court.give_back(RefundOrder(signed=signed))


async def test_a_paper_whose_order_was_changed(court: Court) -> None:
    one, other = await court.released(), await court.released()
    signed = court.refund(one).signed.replace(one.order, other.order)
    with pytest.raises(SignatureInvalid):
        await court.give_back(RefundOrder(signed=signed))
    assert await court.state(other) == "released"


async def test_a_paper_cut_short(court: Court) -> None:
    papers = await court.released()
    signed = court.refund(papers).signed
    for length in (0, 10, 384, 385, len(signed) - 1):
        with pytest.raises(MalformedMessage):
            await court.give_back(RefundOrder(signed=signed[:length]))


# ---- folding -------------------------------------------------------------------------------------


@both_engines
async def test_too_late_once_the_month_is_folded(court: Court) -> None:
    papers = await court.settled()
    court.market.clock.now += MONTHS
    await court.market.broker.upkeep.fold()
    with pytest.raises(TooLateToRefund):
        await court.give_back(court.refund(papers))
    assert court.money() == (CREDIT - PRICE, PRICE)
    court.market.check_books()


@both_engines
@pytest.mark.parametrize("later", [0, 32 * 24 * 3600])
async def test_what_was_given_back_is_folded_with_its_month(court: Court, later: int) -> None:
    """Given back in the month of the sale, or in the next one; balances never change."""
    papers = await court.settled()
    court.market.clock.now += later
    await court.give_back(court.refund(papers))
    for _ in range(6):
        court.market.clock.now += 20 * 24 * 3600
        await court.market.broker.upkeep.fold()
        assert court.money() == (CREDIT, 0)
        court.market.check_books()
    await court.give_back(court.refund(papers))
    assert court.money() == (CREDIT, 0)
