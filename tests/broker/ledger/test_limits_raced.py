"""Every limit in the broker's books, raced for by transactions that all have seen room for one.

On PostgreSQL a transaction reads a snapshot. A limit that is only read is not kept; each has to
be looked at in a row that is locked, by a conditional update, or under SERIALIZABLE.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.meeting import at_once, meeting, refused
from tests.support.scripted_broker import PRICE
from tests.support.token_wallet import TokenWallet, fresh_secrets
from veilmart.broker import merchants
from veilmart.broker.accounts import customers, guess_limit, invitations, vouchers
from veilmart.broker.disputes import evidence
from veilmart.broker.keys import token_keys
from veilmart.broker.ledger import booking, hot_rows
from veilmart.broker.operator import bookkeeping, merchant_requests
from veilmart.broker.schema import tables, token_tables
from veilmart.broker.schema.dispute_tables import evidence_parts
from veilmart.broker.schema.operator_tables import join_requests
from veilmart.broker.sessions.session import Session
from veilmart.broker.tokens import spent_tokens
from veilmart.crypto.blind_issuer import blind_sign
from veilmart.errors import InsufficientBalance, LedgerViolated
from veilmart.limits import INTEGER_MAX
from veilmart.protocol import customer_messages as messages
from veilmart.protocol.accounting import AccountKind, transfer
from veilmart.protocol.code import code_hash, parse_code
from veilmart.protocol.dispute_messages import SendEvidence
from veilmart.protocol.order_key import sign_action
from veilmart.protocol.signed_requests import WithdrawalRequest
from veilmart.protocol.token import blind_token, finish_token
from veilmart.protocol.token_messages import Deposit

POSTGRES = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


async def more_tokens(wallet: TokenWallet, session: Session, count: int, more: int) -> list[bytes]:
    """`count` withdrawn ones and `more` that somebody made with the stolen key."""
    market, key = wallet.market, wallet.key()
    market.run(bookkeeping.credit, "anna", PRICE * count, False, market.clock())
    tokens = await wallet.withdraw(session, count)
    living = market.broker.state.tokens.find(key.id)
    assert living is not None
    for _ in range(more):
        secrets = fresh_secrets(key)
        (signature,) = blind_sign(living.secret, (blind_token(key.public, secrets),), os.urandom)
        tokens.append(finish_token(key.public, secrets, signature))
    return tokens


async def spend_all(wallet: TokenWallet, tokens: list[bytes]) -> list[Any]:
    market = wallet.market
    orders = [await market.offered(market.session()) for _ in tokens]
    asked = [wallet.spending(order, token) for order, token in zip(orders, tokens, strict=True)]
    with meeting(len(tokens)):
        return await asyncio.gather(
            *(market.ask(market.session(), each) for each in asked), return_exceptions=True
        )


def check_tokens(market: Market, wallet: TokenWallet, left: int) -> None:
    account = wallet.key().account
    assert market.run(booking.balance_of, account) == left * PRICE
    assert market.run(hot_rows.add_up) == []
    market.check_books()


@POSTGRES
async def test_two_spends_of_the_last_outstanding_token(market: Market) -> None:
    session, wallet = await market.customer("anna"), TokenWallet(market)
    outcomes = await spend_all(wallet, await more_tokens(wallet, session, 1, 1))
    assert refused(outcomes) == 1
    assert any(isinstance(outcome, LedgerViolated) for outcome in outcomes)
    check_tokens(market, wallet, 0)


@POSTGRES
async def test_two_deposits_of_the_last_outstanding_token(market: Market) -> None:
    session, wallet = await market.customer("anna"), TokenWallet(market)
    tokens = await more_tokens(wallet, session, 1, 1)
    with meeting(2):
        outcomes = await asyncio.gather(
            *(market.ask(session, Deposit(token=token)) for token in tokens),
            return_exceptions=True,
        )
    assert refused(outcomes) == 1
    check_tokens(market, wallet, 0)


@POSTGRES
async def test_tokens_run_low_while_they_are_taken_side_by_side(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plenty outstanding: nobody waits. Soon after: one by one, and no more than there are."""
    session, wallet = await market.customer("anna"), TokenWallet(market)
    monkeypatch.setattr(token_keys, "SCARCE_BELOW", 3)
    monkeypatch.setattr(spent_tokens, "SCARCE_BELOW", 3)
    plenty = update(token_tables.token_keys).values(scarce=0)
    tokens = await more_tokens(wallet, session, 4, 2)
    market.run(lambda conn: conn.execute(plenty) and None)
    assert refused(await spend_all(wallet, tokens[:2])) == 0
    assert wallet.key().scarce == 0
    assert refused(await spend_all(wallet, tokens[2:])) == 2
    assert wallet.key().scarce == 1
    check_tokens(market, wallet, 0)


@POSTGRES
async def test_an_account_below_zero_holds_nobody_else_up(market: Market) -> None:
    """What was booked by other means is reported and left; everybody else is added up."""
    session, wallet = await market.customer("anna", 2 * PRICE), TokenWallet(market)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    bad = wallet.key().account
    take = text("INSERT INTO pending_moves (account, amount) VALUES (:of, :amount)")
    market.run(lambda conn: conn.execute(take, {"of": bad, "amount": -PRICE}) and None)
    assert market.run(hot_rows.add_up) == [bad]
    stored = select(tables.accounts.c.balance).where(tables.accounts.c.id == tables.ESCROW)
    assert market.run(lambda conn: conn.execute(stored).scalar_one()) == PRICE
    await market.broker.sweep()
    assert any(getattr(e, "task", "") == f"Adding up account {bad}" for e in market.events)


@both_engines
async def test_two_payments_from_a_balance_for_one(market: Market) -> None:
    session = await market.customer("anna", PRICE)
    orders = [await market.offered(session) for _ in range(2)]
    with meeting(2):
        outcomes = await asyncio.gather(
            *(market.ask(session, market.pay(order)) for order in orders), return_exceptions=True
        )
    assert [type(o) for o in outcomes if isinstance(o, Exception)] == [InsufficientBalance]
    market.check_books()


@both_engines
async def test_two_withdrawals_of_tokens_from_a_balance_for_one(market: Market) -> None:
    session, wallet = await market.customer("anna", PRICE), TokenWallet(market)
    asked = [wallet.asking(wallet.key(), 1)[0] for _ in range(2)]
    with meeting(2):
        outcomes = await asyncio.gather(
            *(market.ask(session, each) for each in asked), return_exceptions=True
        )
    assert refused(outcomes) == 1
    market.check_books()


Calls = list[tuple[Callable[..., Any], tuple[Any, ...]]]


async def sold(market: Market) -> str:
    """The merchant has the price of one order; its name."""
    session = await market.customer("anna", PRICE)
    order = await market.offered(session)
    await market.ask(session, market.pay(order))
    await market.ask(session, market.act(messages.Release, order))
    await market.ask(session, market.act(messages.Acknowledge, order))
    return market.broker.state.merchants.all()[0].name


@both_engines
async def test_two_payouts_of_one_balance(market: Market) -> None:
    name = await sold(market)
    payouts: Calls = [
        (bookkeeping.payout, (name, PRICE, market.clock(), f"transfer {n}")) for n in range(2)
    ]
    assert refused(at_once(market.opened.database, *payouts)) == 1
    market.check_books()


@both_engines
async def test_two_requests_for_one_balance(market: Market) -> None:
    await sold(market)
    view = market.broker.state.merchants.all()[0]
    papers = [
        WithdrawalRequest(
            broker=market.opened.fingerprint,
            merchant=view.fingerprint,
            id=os.urandom(16),
            amount=PRICE,
            note="",
            at=market.clock(),
        )
        for _ in range(2)
    ]
    note = merchant_requests._note_withdrawal
    calls: Calls = [(note, (paper, view, market.clock())) for paper in papers]
    assert refused(at_once(market.opened.database, *calls)) == 1


@both_engines
async def test_two_credits_up_to_the_cap_on_money(market: Market) -> None:
    await market.customer("anna")
    half = INTEGER_MAX // 2 + 1
    calls: Calls = [(bookkeeping.credit, ("anna", half, False, market.clock()))] * 2
    assert refused(at_once(market.opened.database, *calls)) == 1
    assert market.run(booking.balance_of, tables.CASH) == -half


@both_engines
async def test_one_voucher_for_two_people_and_for_the_operator(market: Market) -> None:
    people = [market.run(booking.open_account, AccountKind.CUSTOMER) for _ in range(2)]
    issued = market.run(vouchers.issue_vouchers, 1, PRICE, market.clock(), os.urandom)
    hashed, now = code_hash(parse_code(issued.codes[0])), market.clock()
    calls: Calls = [(vouchers.redeem, (bytes(32), who, hashed, now)) for who in people]
    calls.append((vouchers.void_voucher, (issued.codes[0], now)))
    outcomes = at_once(market.opened.database, *calls)
    won = [o for o in outcomes if o == PRICE or getattr(o, "outcome", "") == "redeemed"]
    assert len(won) == 1
    totals = market.run(booking.totals)
    assert totals["vouchers"] == 0 and totals["customer"] == -totals["cash"]


@both_engines
async def test_one_invitation_for_two_people(market: Market) -> None:
    issued = market.run(invitations.issue_invitations, 1, market.clock(), os.urandom)
    hashed = code_hash(parse_code(issued.codes[0]))
    outcomes = at_once(market.opened.database, *[(invitations.use_invitation, (hashed,))] * 2)
    assert refused(outcomes) == 1


@both_engines
async def test_guesses_sent_at_once_count_one_by_one(market: Market) -> None:
    guess: Calls = [(guess_limit.take_guess, (bytes(32), market.clock()))] * 3
    at_once(market.opened.database, *guess)
    failures = select(tables.guesses.c.failures)
    assert market.run(lambda conn: conn.execute(failures).scalar_one()) == 3


@both_engines
async def test_the_last_free_place_for_a_device(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await market.customer("anna")
    assert session.login is not None
    monkeypatch.setattr(customers, "DEVICES_PER_ACCOUNT_MAX", 2)
    account, now = session.login.account, market.clock() + 1
    calls: Calls = [(customers.add_device, (account, os.urandom(32), now)) for _ in range(3)]
    assert refused(at_once(market.opened.database, *calls)) == 0
    count = select(func.count()).select_from(tables.devices)
    assert market.run(lambda conn: conn.execute(count).scalar_one()) == 2


@both_engines
async def test_the_last_free_place_for_a_request_to_join(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merchant_requests, "JOIN_REQUESTS_MAX", 1)
    rows = [
        {"fingerprint": bytes([n]) * 32, "name": "x", "address": "x:1", "signed": b"", "at": 1}
        for n in range(2)
    ]
    calls: Calls = [(merchant_requests._note_join, (row,)) for row in rows]
    assert refused(at_once(market.opened.database, *calls)) == 1
    count = select(func.count()).select_from(join_requests)
    assert market.run(lambda conn: conn.execute(count).scalar_one()) == 1


@both_engines
async def test_the_last_free_place_for_evidence(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "EVIDENCE_PARTS_STORED_MAX", 1)
    session = await market.customer("anna", 2 * PRICE)
    orders = [await market.offered(session) for _ in range(2)]
    calls: list[SendEvidence] = []
    for order in orders:
        await market.ask(session, market.pay(order))
        await market.ask(session, market.act(messages.Release, order))
        signature = sign_action(market.seeds[order], order, "evidence", 0)
        calls.append(SendEvidence(order=order, part=0, data=b"part", signature=signature))
    with meeting(2):
        await asyncio.gather(*(market.ask(session, each) for each in calls))
    count = select(func.count()).select_from(evidence_parts)
    assert market.run(lambda conn: conn.execute(count).scalar_one()) == 1


@both_engines
async def test_the_last_free_place_for_a_merchant(
    market: Market, monkeypatch: pytest.MonkeyPatch, other_key: Any
) -> None:
    from tests.support.scripted_broker import ScriptedMerchant
    from veilmart.crypto.identity import generate_identity

    monkeypatch.setattr(merchants, "MERCHANTS_PER_BROKER_MAX", 2)
    keys = (other_key, generate_identity())
    made = [ScriptedMerchant(key, market.opened.fingerprint).descriptor for key in keys]
    calls: Calls = [(merchants.admit, (each, "127.0.0.1:9")) for each in made]
    assert refused(at_once(market.opened.database, *calls)) == 1
    assert len(market.run(merchants.load_merchants)) == 2


@both_engines
async def test_the_last_free_places_for_token_keys(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = len(market.run(token_keys.living))
    monkeypatch.setattr(token_keys, "TOKEN_KEYS_MAX", living + 1)
    base = tuple(market.broker.state.settings.price_points)
    calls: Calls = [
        (token_keys.set_price_points, ((*base, extra), market.clock())) for extra in (7, 9)
    ]
    at_once(market.opened.database, *calls)
    wanted = market.run(token_keys.missing, market.clock())
    assert living + len(wanted) <= living + 1


@both_engines
async def test_a_balance_never_goes_below_zero_however_many_take_at_once(market: Market) -> None:
    account = market.run(booking.open_account, AccountKind.CUSTOMER)
    now = market.clock()
    market.run(booking.book, "credit", b"", now, transfer(tables.CASH, account, PRICE))
    moves = transfer(account, tables.FEES, PRICE)
    calls: Calls = [(booking.book, ("payout", bytes([n]), now, moves)) for n in range(3)]
    assert refused(at_once(market.opened.database, *calls)) == 2
    assert market.run(booking.balance_of, account) == 0
