"""The first segment goes with the first answer to a payment, after its commit."""

import asyncio
from typing import Any

import pytest

from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE, SEGMENT
from tests.support.token_wallet import TokenWallet
from veilmart.broker.escrow import segment_rules
from veilmart.broker.escrow.invoices import get_invoice
from veilmart.errors import MerchantUnreachable, OrderUnknown, ServerFault
from veilmart.limits import FIRST_SEGMENT_SECONDS
from veilmart.protocol import link_messages as link
from veilmart.protocol.customer_messages import Cancel, Release, SegmentFollows
from veilmart.protocol.invoice_states import InvoiceState


def asked(market: Market) -> list[link.FetchSegment]:
    return [one for one in market.merchant.asked if isinstance(one, link.FetchSegment)]


@both_engines
async def test_it_is_asked_for_once_the_payment_is_committed(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await market.customer("anna", 10_00)
    order = await market.offered(session)
    states = []
    honest = market.merchant.answer

    def looking(message: Any) -> Any:
        states.append(market.run(get_invoice, order).state)
        return honest(message)

    monkeypatch.setattr(market.merchant, "answer", looking)
    answer = await market.answer(session, market.pay(order))
    assert answer.attachment == SEGMENT
    assert states == [InvoiceState.HELD]
    assert asked(market) == [link.FetchSegment(order=order, index=0, held_at=market.clock())]


@both_engines
async def test_a_repeated_payment_gets_the_stored_answer_and_no_segment(market: Market) -> None:
    session = await market.customer("anna", 10_00)
    order = await market.offered(session)
    first = await market.answer(session, market.pay(order))
    again = await market.answer(session, market.pay(order))
    assert (again.message, again.attachment) == (first.message, None)
    assert len(asked(market)) == 1
    assert (await market.answer(session, market.segment(order))).attachment == SEGMENT


@both_engines
async def test_a_token_brings_it_too_and_an_exchanged_one_does_not(market: Market) -> None:
    session, wallet = await market.customer("anna", 10_00), TokenWallet(market)
    token, late = await wallet.withdraw(session, 2)
    order = await market.offered(market.session())
    spending = wallet.spending(order, token)
    assert (await market.answer(market.session(), spending)).attachment == SEGMENT
    assert (await market.answer(market.session(), spending)).attachment is None
    exchanged = await market.answer(market.session(), wallet.spending(bytes(32), late))
    assert exchanged.message.refund and exchanged.attachment is None  # type: ignore[attr-defined]
    assert len(asked(market)) == 1


@both_engines
@pytest.mark.parametrize("fault", [MerchantUnreachable(), OrderUnknown(), ServerFault()])
async def test_a_merchant_that_does_not_give_it_does_not_hurt_the_payment(
    market: Market, fault: Exception
) -> None:
    session = await market.customer("anna", 10_00)
    order = await market.offered(session)
    market.merchant.refuse = fault
    paid = await market.answer(session, market.pay(order))
    assert (paid.attachment, paid.message.balance) == (None, 10_00 - PRICE)  # type: ignore[attr-defined]
    market.merchant.refuse = None
    assert (await market.answer(session, market.segment(order))).attachment == SEGMENT
    assert (await market.ask(session, market.act(Release, order))).invoice
    market.check_books()


@both_engines
async def test_a_segment_longer_than_its_shelf_is_left_out(market: Market) -> None:
    session = await market.customer("anna", 10_00)
    order = await market.offered(session)
    market.merchant.segment = bytes(5000)
    assert (await market.answer(session, market.pay(order))).attachment is None


async def test_a_silent_merchant_delays_a_payment_for_two_seconds_at_most(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await market.customer("anna", 10_00)
    order = await market.offered(session)

    async def silent(merchant: bytes, message: Any, kind: Any) -> Any:
        await asyncio.Event().wait()

    assert FIRST_SEGMENT_SECONDS == 2
    monkeypatch.setattr(segment_rules, "FIRST_SEGMENT_SECONDS", 0.05)
    monkeypatch.setattr(market.broker.links, "ask", silent)
    async with asyncio.timeout(20):
        assert (await market.answer(session, market.pay(order))).attachment is None
    monkeypatch.undo()
    answer = await market.answer(session, market.segment(order))
    assert answer.message == SegmentFollows(length=len(SEGMENT))
    assert (await market.ask(session, market.act(Cancel, order))).state == "refunded"
    market.check_books()
