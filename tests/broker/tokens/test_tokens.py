"""Tokens at the broker: withdrawn, spent, refunded, deposited; the books hold throughout."""

import os
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.broker.escrow.balances import balance
from tests.broker.tokens.checking import check
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE, SHELF
from tests.support.token_wallet import TokenWallet
from veilmart.broker.keys import token_keys
from veilmart.broker.ledger import booking
from veilmart.broker.schema import tables
from veilmart.broker.schema.token_tables import ORDER_KEYS, spent_tokens, token_issues
from veilmart.broker.tokens import published_prefixes
from veilmart.broker.tokens.key_totals import KeyTotals, key_totals
from veilmart.crypto import signing
from veilmart.errors import NotRefunded
from veilmart.protocol import labels
from veilmart.protocol.customer_messages import Acknowledge, Cancel, Release
from veilmart.protocol.offer import PaymentReceipt, invoice_hash, open_object
from veilmart.protocol.published_prefixes import order_key_prefix, spent_prefix
from veilmart.protocol.token import parse_token
from veilmart.protocol.token_messages import Deposit, ListIssues


def totals(market: Market, wallet: TokenWallet) -> KeyTotals:
    lines: list[KeyTotals] = market.run(key_totals)
    assert all(line.holds for line in lines)
    return next(line for line in lines if line.id == wallet.key().id)


def page(market: Market, number: int) -> list[bytes]:
    content: bytes = market.run(published_prefixes.read_page, number, 0)
    return [content[at : at + 8] for at in range(0, len(content), 8)]


@both_engines
async def test_a_purchase_with_a_token_moves_the_price_and_costs_four_commits(
    market: Market,
) -> None:
    session, wallet = await market.customer("anna", 10_00), TokenWallet(market)
    (token,) = await wallet.withdraw(session)
    assert balance(market, "anna") == 5_00
    before = market.opened.database.commits
    order = await market.offered(market.session())
    spent = await wallet.spend(order, token)
    assert not spent.refund
    await market.ask(market.session(), market.segment(order))
    released = await market.ask(market.session(), market.act(Release, order))
    done = await market.ask(market.session(), market.act(Acknowledge, order))
    assert done.state == "settled"
    assert market.opened.database.commits - before == 4
    own = market.broker.state.own.newest.public.descriptor
    receipt = open_object(PaymentReceipt, own.signing_key, labels.PAYMENT_RECEIPT, spent.receipt)
    assert (receipt.order, receipt.amount) == (order, PRICE)
    assert receipt.invoice == invoice_hash(released.invoice)
    found = totals(market, wallet)
    assert (found.withdrawn, found.redeemed, found.outstanding) == (1, 1, 0)
    check(market)


@both_engines
async def test_a_withdrawal_asked_for_again_is_the_same_answer(market: Market) -> None:
    session, wallet = await market.customer("anna", 20_00), TokenWallet(market)
    request, _ = wallet.asking(wallet.key(), 2)
    first = await market.ask(session, request)
    assert first.balance == 10_00
    assert await market.ask(session, request) == first
    assert balance(market, "anna") == 10_00
    listed = await market.ask(session, ListIssues(key=wallet.key().id, start=0))
    assert [(e.request, e.first, e.count) for e in listed.entries] == [(request.request, 0, 2)]
    assert not listed.more
    check(market)


@both_engines
async def test_a_cancelled_order_gives_a_token_for_the_token(market: Market) -> None:
    session, wallet = await market.customer("anna", 5_00), TokenWallet(market)
    (token,) = await wallet.withdraw(session)
    order = await market.offered(market.session())
    await wallet.spend(order, token)
    with pytest.raises(NotRefunded):
        await wallet.refund(order)
    await market.ask(market.session(), market.act(Cancel, order))
    back = await wallet.refund(order)
    assert back == await wallet.refund(order)
    found = totals(market, wallet)
    assert (found.withdrawn, found.reissued, found.redeemed, found.outstanding) == (1, 1, 1, 1)
    again = await market.offered(market.session())
    await wallet.spend(again, back)
    check(market)


@both_engines
async def test_held_past_its_deadline_a_token_comes_back(market: Market) -> None:
    session, wallet = await market.customer("anna", 5_00), TokenWallet(market)
    (token,) = await wallet.withdraw(session)
    order = await market.offered(market.session())
    await wallet.spend(order, token)
    market.clock.now += SHELF.deliver_within
    await market.broker.sweep()
    assert (await market.ask(market.session(), market.status(order))).state == "refunded"
    deposited = await market.ask(session, Deposit(token=await wallet.refund(order)))
    assert (deposited.value, deposited.balance) == (PRICE, PRICE)
    check(market)


@both_engines
async def test_a_token_that_comes_too_late_is_exchanged(market: Market) -> None:
    session, wallet = await market.customer("anna", 5_00), TokenWallet(market)
    (token,) = await wallet.withdraw(session)
    order = await market.offered(market.session())
    market.clock.now += 900
    request = wallet.spending(order, token)
    spent = await market.ask(market.session(), request)
    assert spent.refund and not spent.receipt
    assert await market.ask(market.session(), request) == spent
    back = wallet.finish(wallet.key(), [wallet.secrets[order]], _as_issued(spent.refund))
    assert back == [await wallet.refund(order)]
    recovered = await market.ask(market.session(), wallet.recovering(order))
    assert (recovered.order, recovered.state) == (order, "refunded")
    assert recovered.invoice
    await market.ask(session, Deposit(token=back[0]))
    assert balance(market, "anna") == 5_00
    check(market)


@both_engines
async def test_a_token_for_an_order_that_nobody_knows_is_exchanged(market: Market) -> None:
    session, wallet = await market.customer("anna", 5_00), TokenWallet(market)
    (token,) = await wallet.withdraw(session)
    order = os.urandom(32)
    assert (await wallet.spend(order, token)).refund
    recovered = await market.ask(market.session(), wallet.recovering(order))
    assert (recovered.order, recovered.state, recovered.amount) == (order, "refunded", PRICE)
    assert not recovered.invoice
    check(market)


@both_engines
async def test_a_token_for_an_order_that_an_account_paid_is_exchanged(market: Market) -> None:
    session, wallet = await market.customer("anna", 10_00), TokenWallet(market)
    (token,) = await wallet.withdraw(session)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    assert (await wallet.spend(order, token)).refund
    # The order's own refund goes to the account all the same.
    await market.ask(market.session(), market.act(Cancel, order))
    assert balance(market, "anna") == 5_00
    recovered = await market.ask(market.session(), wallet.recovering(order))
    assert recovered.state == "refunded"
    check(market)


@both_engines
async def test_lists_name_what_was_spent_deposited_and_paid(market: Market) -> None:
    session, wallet = await market.customer("anna", 25_00), TokenWallet(market)
    tokens = await wallet.withdraw(session, 3)
    key = wallet.key()
    first, second = await market.offered(session), await market.offered(session)
    await wallet.spend(first, tokens[0])
    await market.ask(session, Deposit(token=tokens[1]))
    await market.ask(session, market.pay(second))
    late = os.urandom(32)
    await wallet.spend(late, tokens[2])
    nonces = [parse_token(token).nonce for token in tokens]
    assert page(market, key.number) == sorted(spent_prefix(key.id, nonce) for nonce in nonces)
    orders = [signing.public_key(market.seeds[order]) for order in (first, second, late)]
    assert page(market, ORDER_KEYS) == sorted(order_key_prefix(order) for order in orders)


@both_engines
async def test_the_descriptor_lists_every_key_by_epoch_and_price(market: Market) -> None:
    listed = market.broker.state.own.newest.public.descriptor.extensions["tokens"]
    rows = market.run(token_keys.living)
    assert listed == token_keys.listed(rows)
    assert len(listed) == 48 * len(market.broker.state.settings.price_points)
    order = [(row.epoch, row.price) for row in rows]
    assert order == sorted(order)


@both_engines
async def test_no_row_says_which_account_a_spent_token_came_from(market: Market) -> None:
    session, wallet = await market.customer("anna", 10_00), TokenWallet(market)
    tokens = await wallet.withdraw(session, 2)
    order = await market.offered(market.session())
    await wallet.spend(order, tokens[0])
    assert session.login is not None

    def rows(conn: Any) -> Any:
        return conn.execute(select(spent_tokens)).all(), conn.execute(select(token_issues)).all()

    spent, issued = market.run(rows)
    assert spent[0].account is None
    # What the broker saw when it signed is nowhere in what it saw when the token was spent.
    seen = [value for row in issued for value in row if isinstance(value, bytes)]
    shown = [value for row in spent for value in row if isinstance(value, bytes)]
    assert not any(a in b or b in a for a in seen for b in shown)
    held = (
        select(tables.postings.c.account)
        .join(tables.transactions, tables.transactions.c.id == tables.postings.c.entry)
        .where(tables.transactions.c.kind == "hold")
    )
    assert session.login.account not in market.run(lambda c: c.execute(held).scalars().all())


@both_engines
async def test_customers_balance_is_what_the_ledger_says(market: Market) -> None:
    session, wallet = await market.customer("anna", 20_00), TokenWallet(market)
    await wallet.withdraw(session, 3)
    query = select(func.sum(tables.postings.c.amount)).where(
        tables.postings.c.account == wallet.key().account
    )
    assert market.run(lambda conn: conn.execute(query).scalar_one()) == 15_00
    assert market.run(booking.balance_of, wallet.key().account) == 15_00


def _as_issued(signature: bytes) -> Any:
    from veilmart.protocol.token_messages import Issued

    return Issued(signatures=signature, balance=0)
