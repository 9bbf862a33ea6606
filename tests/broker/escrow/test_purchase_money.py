"""Paying and the order key: every step, every refusal, every deadline."""

import os

import pytest

from tests.broker.escrow.balances import balance
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE, SEGMENT, SHELF
from veilmart.broker import events
from veilmart.broker.schema import tables
from veilmart.crypto import signing
from veilmart.errors import (
    AmountDiffers,
    InsufficientBalance,
    LoginRequired,
    MerchantUnreachable,
    OfferExpired,
    OperationConflict,
    OrderKeyInvalid,
    OrderUnknown,
    PaymentOutstanding,
    WrongOrderState,
)
from veilmart.protocol import labels, link_messages as link
from veilmart.protocol.customer_messages import (
    Acknowledge,
    Cancel,
    GetSegment,
    Pay,
    Release,
    SegmentFollows,
    Start,
)
from veilmart.protocol.offer import PaymentReceipt, invoice_hash, open_object
from veilmart.protocol.order_key import operation_id, sign_action


@both_engines
async def test_a_purchase_moves_the_price_and_costs_four_commits(market: Market) -> None:
    session = await market.customer("anna", 10_00)
    before = market.opened.database.commits
    order = await market.offered(session)
    paid = await market.ask(session, market.pay(order))
    assert paid.balance == 5_00
    await market.ask(market.session(), market.segment(order))
    released = await market.ask(market.session(), market.act(Release, order))
    done = await market.ask(market.session(), market.act(Acknowledge, order))
    assert done.state == "settled"
    assert market.opened.database.commits - before == 4
    assert balance(market, "anna") == 5_00
    own = market.broker.state.own.newest.public.descriptor
    receipt = open_object(PaymentReceipt, own.signing_key, labels.PAYMENT_RECEIPT, paid.receipt)
    assert receipt.order == order
    assert receipt.amount == PRICE
    assert receipt.held_at == market.clock()
    assert receipt.invoice == invoice_hash(released.invoice)
    market.check_books()


@both_engines
async def test_retries_get_the_stored_answer_from_any_session(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    first = await market.ask(session, market.pay(order))
    await market.ask(session, market.act(Release, order))
    assert await market.ask(session, market.pay(order)) == first
    assert balance(market, "anna") == 15_00
    done = await market.ask(session, market.act(Acknowledge, order))
    market.clock.now += 10**6
    assert await market.ask(market.session(), market.act(Acknowledge, order)) == done
    assert (await market.ask(market.session(), market.act(Release, order))).invoice
    market.check_books()


@both_engines
async def test_one_operation_id_is_for_one_body(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    other = await market.offered(session)
    await market.ask(session, market.pay(order))
    with pytest.raises(OperationConflict):
        await market.ask(session, market.pay(order, PRICE + 1))
    borrowed = Pay(operation=operation_id(order, "pay"), order=other, amount=PRICE)
    with pytest.raises(OperationConflict):
        await market.ask(session, borrowed)
    assert balance(market, "anna") == 15_00


@both_engines
async def test_nobody_else_sees_the_answer_to_a_payment(market: Market) -> None:
    payer = await market.customer("anna", 20_00)
    order = await market.offered(payer)
    await market.ask(payer, market.pay(order))
    curious = await market.customer("berta", 20_00)
    with pytest.raises(OperationConflict):
        await market.ask(curious, market.pay(order))
    assert balance(market, "berta") == 20_00


@both_engines
async def test_too_little_money_names_balance_and_price(market: Market) -> None:
    session = await market.customer("anna", 4_99)
    order = await market.offered(session)
    with pytest.raises(InsufficientBalance, match=r"4\.99.*5\.00"):
        await market.ask(session, market.pay(order))
    assert balance(market, "anna") == 4_99
    from veilmart.broker.operator import bookkeeping

    market.run(bookkeeping.credit, "anna", 1, False, market.clock())
    assert (await market.ask(session, market.pay(order))).balance == 0
    market.check_books()


@both_engines
async def test_paying_needs_a_login_an_invoice_and_the_right_amount(market: Market) -> None:
    anonymous = market.session()
    order = await market.offered(anonymous)
    with pytest.raises(LoginRequired):
        await market.ask(anonymous, market.pay(order))
    session = await market.customer("anna", 20_00)
    with pytest.raises(AmountDiffers):
        await market.ask(session, market.pay(order, PRICE - 1))
    with pytest.raises(OrderUnknown):
        await market.ask(session, market.pay(os.urandom(32)))


@both_engines
async def test_an_offer_expires_by_the_brokers_clock(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    market.clock.now += 900
    with pytest.raises(OfferExpired):
        await market.ask(session, market.pay(order))
    await market.broker.sweep()
    assert events.PaymentLapsed(order) in market.events
    with pytest.raises(OfferExpired):
        await market.ask(session, market.pay(order))
    market.clock.now += 3700
    await market.broker.sweep()
    for _ in range(12):
        await market.broker.sweep()
    with pytest.raises(OrderUnknown):
        await market.ask(session, market.pay(order))
    assert balance(market, "anna") == 20_00
    market.check_books()


@both_engines
async def test_cancel_gives_everything_back_but_not_after_the_key_is_out(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order, kept = await market.offered(session), await market.offered(session)
    await market.ask(session, market.pay(order))
    await market.ask(session, market.pay(kept))
    assert (await market.ask(session, market.act(Cancel, order))).state == "refunded"
    assert balance(market, "anna") == 15_00
    with pytest.raises(WrongOrderState):
        await market.ask(session, market.act(Release, order))
    await market.ask(session, market.act(Release, kept))
    with pytest.raises(WrongOrderState):
        await market.ask(session, market.act(Cancel, kept))
    market.check_books()


@both_engines
async def test_held_past_its_deadline_is_refunded(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    market.clock.now += SHELF.deliver_within - 1
    await market.broker.sweep()
    assert (await market.ask(session, market.status(order))).state == "held"
    market.clock.now += 1
    with pytest.raises(WrongOrderState):
        await market.ask(session, market.act(Release, order))
    await market.broker.sweep()
    assert (await market.ask(session, market.status(order))).state == "refunded"
    assert balance(market, "anna") == 20_00
    assert events.OrderRefunded(order) in market.events
    market.check_books()


@both_engines
async def test_released_past_its_deadline_is_settled(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    await market.ask(session, market.act(Release, order))
    status = await market.ask(session, market.status(order))
    assert (status.state, status.due) == ("released", market.clock() + SHELF.settle_within)
    market.clock.now += SHELF.settle_within
    await market.broker.sweep()
    assert (await market.ask(session, market.status(order))).state == "settled"
    # The customer's own acknowledgement comes late and finds everything done.
    assert (await market.ask(session, market.act(Acknowledge, order))).state == "settled"
    market.check_books()


@both_engines
async def test_only_the_order_key_speaks_for_the_order(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    market.seeds[order] = os.urandom(32)
    for request in (
        market.act(Release, order),
        market.act(Cancel, order),
        market.status(order),
        market.segment(order),
    ):
        with pytest.raises(OrderKeyInvalid):
            await market.ask(session, request)


@both_engines
async def test_a_signature_for_one_action_is_none_for_another(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    status = sign_action(market.seeds[order], order, "status")
    forged = Cancel(operation=operation_id(order, "cancel"), order=order, signature=status)
    with pytest.raises(OrderKeyInvalid):
        await market.ask(session, forged)
    first = sign_action(market.seeds[order], order, "segment", 0)
    with pytest.raises(OrderKeyInvalid):
        await market.ask(session, GetSegment(order=order, index=1, signature=first))


@both_engines
async def test_segments_come_once_paid_for_in_any_session(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    with pytest.raises(PaymentOutstanding):
        await market.ask(session, market.segment(order))
    assert not any(isinstance(asked, link.FetchSegment) for asked in market.merchant.asked)
    await market.ask(session, market.pay(order))
    anonymous = market.session()
    await market.ask(anonymous, Start())
    answer = await market.answer(anonymous, market.segment(order))
    assert answer.message == SegmentFollows(length=len(SEGMENT))
    assert answer.attachment == SEGMENT
    fetched = market.merchant.asked[-1]
    assert (fetched.order, fetched.index, fetched.held_at) == (order, 0, market.clock())
    await market.ask(session, market.act(Cancel, order))
    with pytest.raises(WrongOrderState):
        await market.ask(session, market.segment(order))


@both_engines
async def test_a_segment_longer_than_its_shelf_is_not_passed_on(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    market.merchant.segment = bytes(5000)
    with pytest.raises(MerchantUnreachable):
        await market.ask(session, market.segment(order))


@both_engines
async def test_invoices_name_no_customer(market: Market) -> None:
    session = await market.customer("anna", 20_00)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    assert session.login is not None
    columns = {column.name for column in tables.invoices.columns}
    assert not columns & {"customer", "account", "username", "session", "request_number"}
    assert signing.public_key(market.seeds[order])
