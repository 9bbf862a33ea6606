"""What a broker does not take for a token: each case is named after what is wrong."""

import asyncio
import os
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from tests.broker.escrow.balances import balance
from tests.broker.tokens.checking import check
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE
from tests.support.token_wallet import TokenWallet, fresh_secrets
from veilmart.broker.keys import token_keys
from veilmart.broker.keys.token_keys import KeyRow
from veilmart.broker.schema import tables
from veilmart.broker.sessions.session import Session
from veilmart.broker.tokens import key_retirement
from veilmart.crypto.blind_issuer import blind_sign
from veilmart.crypto.token_key import generate_token_key, token_public_key
from veilmart.errors import (
    AmountDiffers,
    DeadlinesTooLong,
    InsufficientBalance,
    LoginRequired,
    MalformedMessage,
    OperationConflict,
    OrderKeyInvalid,
    OrderUnknown,
    RefundKeyUnfit,
    TokenInvalid,
    TokenKeyEnded,
    TokenKeyUnknown,
    TokenSpent,
    VeilmartError,
    WalletReplaced,
)
from veilmart.limits import (
    EPOCH_SECONDS,
    SPEND_AFTER_EPOCH_SECONDS,
    TOKEN_KEY_EARLY_SECONDS,
    TOKEN_ORDER_MAX_SECONDS,
)
from veilmart.protocol.customer_messages import Start
from veilmart.protocol.order_key import operation_id
from veilmart.protocol.token import blind_token, finish_token
from veilmart.protocol.token_messages import Claim, Deposit, ListIssues

CLIENTS = 64


class Buyer:
    """A customer with tokens, at the beginning of an epoch's last quarter or so."""

    def __init__(self, market: Market, session: Session, wallet: TokenWallet) -> None:
        self.market = market
        self.session = session
        self.wallet = wallet
        self.tokens: list[bytes] = []

    async def refused(self, request: Any, error: type[VeilmartError]) -> None:
        with pytest.raises(error):
            await self.market.ask(self.market.session(), request)

    async def order(self) -> bytes:
        return await self.market.offered(self.market.session())


@pytest.fixture
async def buyer(market: Market) -> Buyer:
    session = await market.customer("anna", 30_00)
    made = Buyer(market, session, TokenWallet(market))
    made.tokens = await made.wallet.withdraw(session, 2)
    return made


def next_key(market: Market, key: KeyRow) -> KeyRow:
    """Of the same price, for the epoch after."""
    rows: list[KeyRow] = market.run(token_keys.living)
    return next(row for row in rows if (row.price, row.epoch) == (key.price, key.epoch + 1))


async def still_good(buyer: Buyer, token: bytes) -> None:
    """The token was not taken: it still pays, and the books hold."""
    order = await buyer.order()
    assert (await buyer.wallet.spend(order, token)).receipt
    check(buyer.market)


# ---- the token -----------------------------------------------------------------------------------


@both_engines
async def test_one_token_for_two_orders(buyer: Buyer) -> None:
    first, second = await buyer.order(), await buyer.order()
    await buyer.wallet.spend(first, buyer.tokens[0])
    await buyer.refused(buyer.wallet.spending(second, buyer.tokens[0]), TokenSpent)
    await buyer.refused(buyer.wallet.spending(os.urandom(32), buyer.tokens[0]), TokenSpent)
    check(buyer.market)


@pytest.mark.parametrize("at", [0, 1, 40, 98, 353])
async def test_a_token_with_one_bit_changed(buyer: Buyer, at: int) -> None:
    token = bytearray(buyer.tokens[0])
    token[at] ^= 1
    order = await buyer.order()
    await buyer.refused(buyer.wallet.spending(order, bytes(token)), TokenInvalid)
    with pytest.raises(TokenInvalid):
        await buyer.market.ask(buyer.session, Deposit(token=bytes(token)))
    await still_good(buyer, buyer.tokens[0])


async def test_a_token_whose_nonce_is_another_ones(buyer: Buyer) -> None:
    mixed = buyer.tokens[0][:2] + buyer.tokens[1][2:34] + buyer.tokens[0][34:]
    order = await buyer.order()
    await buyer.refused(buyer.wallet.spending(order, mixed), TokenInvalid)
    await still_good(buyer, buyer.tokens[1])


async def test_a_signature_plus_the_modulus(buyer: Buyer) -> None:
    """The same number once more, where it still has 256 bytes, and one below by the modulus."""
    modulus = buyer.wallet.key().public.numbers.modulus
    token = buyer.tokens[0]
    number = int.from_bytes(token[98:], "big") + modulus
    shown = number.to_bytes(257, "big")[-256:]
    order = await buyer.order()
    await buyer.refused(buyer.wallet.spending(order, token[:98] + shown), TokenInvalid)
    await buyer.refused(
        buyer.wallet.spending(order, token[:98] + modulus.to_bytes(256, "big")), TokenInvalid
    )
    await still_good(buyer, token)


@pytest.mark.parametrize("length", [0, 1, 353, 355])
def test_a_token_of_another_length(length: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "deposit", "token": bytes(length)}, Deposit)


async def test_a_token_of_another_broker(buyer: Buyer) -> None:
    strange = generate_token_key()
    public = token_public_key(strange)
    row = replace(buyer.wallet.key(), spki=public.spki, id=public.key_id)
    secrets = fresh_secrets(row)
    (signature,) = blind_sign(strange, (blind_token(public, secrets),), os.urandom)
    token = finish_token(public, secrets, signature)
    order = await buyer.order()
    await buyer.refused(buyer.wallet.spending(order, token), TokenKeyUnknown)
    with pytest.raises(TokenKeyUnknown):
        await buyer.market.ask(buyer.session, Deposit(token=token))


async def test_a_token_of_another_price(buyer: Buyer) -> None:
    (cheap,) = await buyer.wallet.withdraw(buyer.session, price=100)
    order = await buyer.order()
    await buyer.refused(buyer.wallet.spending(order, cheap), AmountDiffers)
    low = buyer.wallet.spending(order, cheap, buyer.wallet.key(100), amount=100)
    await buyer.refused(low, AmountDiffers)
    await buyer.refused(buyer.wallet.spending(order, buyer.tokens[0], amount=499), AmountDiffers)
    await still_good(buyer, buyer.tokens[0])


@both_engines
async def test_a_token_of_a_key_that_has_ended(buyer: Buyer) -> None:
    key = buyer.wallet.key()
    order = await buyer.order()
    buyer.market.clock.now = (key.epoch + 1) * EPOCH_SECONDS + SPEND_AFTER_EPOCH_SECONDS
    await buyer.refused(buyer.wallet.spending(order, buyer.tokens[0], key), TokenKeyEnded)
    with pytest.raises(TokenKeyEnded):
        await buyer.market.ask(buyer.session, Deposit(token=buyer.tokens[0]))
    with pytest.raises(TokenKeyEnded):
        await buyer.market.ask(buyer.session, ListIssues(key=key.id, start=0))
    check(buyer.market)


@both_engines
async def test_a_token_of_a_retired_key(buyer: Buyer) -> None:
    key = buyer.wallet.key()
    order = await buyer.order()
    buyer.market.run(key_retirement.retire, key, buyer.market.clock())
    await buyer.refused(buyer.wallet.spending(order, buyer.tokens[0], key), TokenKeyEnded)
    with pytest.raises(TokenKeyEnded):
        await buyer.market.ask(buyer.session, Deposit(token=buyer.tokens[0]))
    request, _ = buyer.wallet.asking(key, 1)
    with pytest.raises(TokenKeyEnded):
        await buyer.market.ask(buyer.session, request)
    check(buyer.market)


@both_engines
async def test_a_clock_set_back_brings_no_key_back(buyer: Buyer) -> None:
    market, key, began = buyer.market, buyer.wallet.key(), buyer.market.clock.now
    market.clock.now = token_keys.spend_until(key.epoch)
    for _ in range(13):
        await market.broker.sweep()
    market.clock.now = began
    for _ in range(13):
        await market.broker.sweep()
    order = await buyer.order()
    await buyer.refused(buyer.wallet.spending(order, buyer.tokens[0], key), TokenKeyEnded)
    listed = market.broker.state.own.newest.public.descriptor.extensions["tokens"]
    assert key.id not in listed
    assert not [row for row in market.run(token_keys.living) if row.epoch == key.epoch]
    check(market)


async def test_a_deposited_token_is_not_spent_and_a_spent_one_not_deposited(buyer: Buyer) -> None:
    market = buyer.market
    await market.ask(buyer.session, Deposit(token=buyer.tokens[0]))
    again = await market.ask(buyer.session, Deposit(token=buyer.tokens[0]))
    assert (again.value, again.balance) == (PRICE, 25_00)
    order = await buyer.order()
    await buyer.refused(buyer.wallet.spending(order, buyer.tokens[0]), TokenSpent)
    await buyer.wallet.spend(order, buyer.tokens[1])
    with pytest.raises(TokenSpent):
        await market.ask(buyer.session, Deposit(token=buyer.tokens[1]))
    other = await market.customer("berta")
    with pytest.raises(TokenSpent):
        await market.ask(other, Deposit(token=buyer.tokens[0]))
    check(market)


# ---- the request to spend ------------------------------------------------------------------------


@both_engines
async def test_a_spend_replayed_with_another_body(buyer: Buyer) -> None:
    order = await buyer.order()
    request = buyer.wallet.spending(order, buyer.tokens[0])
    spent = await buyer.market.ask(buyer.market.session(), request)
    for other in (
        {"token": buyer.tokens[1]},
        {"amount": PRICE + 1},
        {"refund_blinded": request.refund_blinded[::-1]},
        {"refund_key": bytes(32)},
        {"order_key": bytes(32)},
    ):
        await buyer.refused(msgspec.structs.replace(request, **other), OperationConflict)
    assert await buyer.market.ask(buyer.market.session(), request) == spent
    await still_good(buyer, buyer.tokens[1])


@both_engines
async def test_a_late_spend_replayed_with_another_refund(buyer: Buyer) -> None:
    """Else one token would buy two refund tokens."""
    order = os.urandom(32)
    request = buyer.wallet.spending(order, buyer.tokens[0])
    await buyer.market.ask(buyer.market.session(), request)
    key = buyer.wallet.key()
    blinded = blind_token(key.public, fresh_secrets(key))
    await buyer.refused(msgspec.structs.replace(request, refund_blinded=blinded), OperationConflict)
    await buyer.refused(msgspec.structs.replace(request, token=buyer.tokens[1]), OperationConflict)
    check(buyer.market)


async def test_an_operation_of_another_order_or_action(buyer: Buyer) -> None:
    order, other = await buyer.order(), await buyer.order()
    for operation in (operation_id(other, "spend"), operation_id(order, "pay"), bytes(16)):
        request = buyer.wallet.spending(order, buyer.tokens[0], operation=operation)
        await buyer.refused(request, OperationConflict)


async def test_an_order_key_that_is_not_the_invoices_or_did_not_sign(buyer: Buyer) -> None:
    order, other = await buyer.order(), await buyer.order()
    request = buyer.wallet.spending(order, buyer.tokens[0])
    strange = buyer.wallet.spending(other, buyer.tokens[0])
    for changed in (
        {"order_key": strange.order_key},
        {"signature": strange.signature},
        {"order_key": strange.order_key, "signature": strange.signature},
    ):
        await buyer.refused(msgspec.structs.replace(request, **changed), OrderKeyInvalid)
    await still_good(buyer, buyer.tokens[0])


@both_engines
async def test_a_refund_key_that_is_unfit(buyer: Buyer) -> None:
    market, key = buyer.market, buyer.wallet.key()
    order = await buyer.order()
    for unfit in (buyer.wallet.key(100).id, bytes(32)):
        request = buyer.wallet.spending(order, buyer.tokens[0], refund_key=unfit)
        await buyer.refused(request, RefundKeyUnfit)
    # For a day into the next epoch the old one does, then only the new one.
    next_epoch = (key.epoch + 1) * EPOCH_SECONDS
    market.clock.now = next_epoch - 1
    for _ in range(13):
        await market.broker.sweep()
    early = next_key(market, key)
    late = os.urandom(32)
    await buyer.refused(buyer.wallet.spending(late, buyer.tokens[0], early), RefundKeyUnfit)
    market.clock.now = next_epoch + TOKEN_KEY_EARLY_SECONDS
    del buyer.wallet.secrets[late]
    await buyer.refused(buyer.wallet.spending(late, buyer.tokens[0], key), RefundKeyUnfit)
    market.clock.now -= 1
    assert (await buyer.wallet.spend(late, buyer.tokens[0], refund=key)).refund
    check(market)


async def test_a_refund_that_is_not_below_the_modulus(buyer: Buyer) -> None:
    order = await buyer.order()
    modulus = buyer.wallet.key().public.numbers.modulus
    for number in (0, modulus, modulus + 1, 2**2048 - 1):
        request = buyer.wallet.spending(
            order, buyer.tokens[0], refund_blinded=number.to_bytes(256, "big")
        )
        await buyer.refused(request, MalformedMessage)
    await still_good(buyer, buyer.tokens[0])


async def test_deadlines_longer_than_the_refund_key_lives(buyer: Buyer) -> None:
    order = await buyer.order()
    longer = update(tables.invoices).where(tables.invoices.c.order == order)
    too_long = TOKEN_ORDER_MAX_SECONDS - 3600 + 1
    buyer.market.run(lambda conn: conn.execute(longer.values(settle_within=too_long)).rowcount)
    await buyer.refused(buyer.wallet.spending(order, buyer.tokens[0]), DeadlinesTooLong)
    buyer.market.run(lambda conn: conn.execute(longer.values(settle_within=too_long - 1)).rowcount)
    assert (await buyer.wallet.spend(order, buyer.tokens[0])).receipt


async def test_a_spend_in_a_session_that_is_logged_in(buyer: Buyer) -> None:
    order = await buyer.order()
    with pytest.raises(MalformedMessage):
        await buyer.market.ask(buyer.session, buyer.wallet.spending(order, buyer.tokens[0]))
    await still_good(buyer, buyer.tokens[0])


async def test_refund_and_recover_of_what_nobody_knows(buyer: Buyer) -> None:
    order = os.urandom(32)
    buyer.market.seeds[order] = os.urandom(32)
    await buyer.refused(buyer.wallet.asking_refund(order), OrderUnknown)
    await buyer.refused(buyer.wallet.recovering(order), OrderUnknown)
    known = await buyer.order()
    request = buyer.wallet.recovering(known)
    await buyer.refused(msgspec.structs.replace(request, order_key=bytes(32)), OrderKeyInvalid)
    buyer.market.seeds[known] = os.urandom(32)
    await buyer.refused(buyer.wallet.asking_refund(known), OrderKeyInvalid)


# ---- withdrawing -------------------------------------------------------------------------------


@both_engines
async def test_a_withdrawal_replayed_with_another_body(buyer: Buyer) -> None:
    market, wallet, key = buyer.market, buyer.wallet, buyer.wallet.key()
    request, _ = wallet.asking(key, 1)
    answer = await market.ask(buyer.session, request)
    other, _ = wallet.asking(key, 1)
    for changed in (
        {"blinded": other.blinded},
        {"blinded": request.blinded * 2},
        {"first": request.first + 1},
        {"key": wallet.key(100).id},
    ):
        with pytest.raises(OperationConflict):
            await market.ask(buyer.session, msgspec.structs.replace(request, **changed))
    assert await market.ask(buyer.session, request) == answer
    assert balance(market, "anna") == 15_00
    check(market)


@both_engines
async def test_counters_that_overlap_earlier_ones(buyer: Buyer) -> None:
    market, wallet, key = buyer.market, buyer.wallet, buyer.wallet.key()
    wallet.next[key.id] = 10
    request, _ = wallet.asking(key, 2)
    await market.ask(buyer.session, request)
    for first, count in ((10, 1), (11, 1), (9, 2), (8, 3), (0, 1), (1, 1), (9, 3)):
        wallet.next[key.id] = first
        overlapping, _ = wallet.asking(key, count)
        with pytest.raises(OperationConflict):
            await market.ask(buyer.session, overlapping)
    for first, count in ((2, 1), (9, 1)):
        wallet.next[key.id] = first
        beside, _ = wallet.asking(key, count)
        await market.ask(buyer.session, beside)
    check(market)


async def test_a_blinded_message_that_is_not_below_the_modulus(buyer: Buyer) -> None:
    market, key = buyer.market, buyer.wallet.key()
    request, _ = buyer.wallet.asking(key, 2)
    modulus = key.public.numbers.modulus
    for number in (0, modulus, 2**2048 - 1):
        blinded = request.blinded[:256] + number.to_bytes(256, "big")
        with pytest.raises(MalformedMessage):
            await market.ask(buyer.session, msgspec.structs.replace(request, blinded=blinded))
    for odd in (request.blinded[:-1], request.blinded[:257]):
        with pytest.raises(MalformedMessage):
            await market.ask(buyer.session, msgspec.structs.replace(request, blinded=odd))
    assert balance(market, "anna") == 20_00


async def test_more_tokens_than_money(buyer: Buyer) -> None:
    request, _ = buyer.wallet.asking(buyer.wallet.key(), 5)
    with pytest.raises(InsufficientBalance, match=r"20\.00.*25\.00"):
        await buyer.market.ask(buyer.session, request)
    check(buyer.market)


async def test_a_key_that_does_not_issue_now(buyer: Buyer) -> None:
    market, key = buyer.market, buyer.wallet.key()
    market.clock.now = (key.epoch + 1) * EPOCH_SECONDS - 1
    for _ in range(13):
        await market.broker.sweep()
    early = next_key(market, key)
    with pytest.raises(TokenKeyUnknown):
        await market.ask(buyer.session, buyer.wallet.asking(early, 1)[0])
    market.clock.now += 1
    with pytest.raises(TokenKeyEnded):
        await market.ask(buyer.session, buyer.wallet.asking(key, 1)[0])
    unknown = msgspec.structs.replace(buyer.wallet.asking(early, 1)[0], key=bytes(32), first=0)
    with pytest.raises(TokenKeyUnknown):
        await market.ask(buyer.session, unknown)
    await market.ask(buyer.session, buyer.wallet.asking(early, 1)[0])


async def test_a_wallet_that_another_one_has_replaced(buyer: Buyer) -> None:
    market, key = buyer.market, buyer.wallet.key()
    request, _ = buyer.wallet.asking(key, 1)
    answer = await market.ask(buyer.session, request)
    fresh = TokenWallet(market, next=dict(buyer.wallet.next))
    with pytest.raises(WalletReplaced):
        await market.ask(buyer.session, fresh.asking(key, 1)[0])
    await market.ask(buyer.session, Claim(wallet=fresh.id))
    with pytest.raises(WalletReplaced):
        await market.ask(buyer.session, request)
    # The stored answer is the account's, whichever wallet asks.
    again = msgspec.structs.replace(request, wallet=fresh.id)
    assert await market.ask(buyer.session, again) == answer


async def test_a_claim_that_is_sent_again_does_not_bring_the_earlier_wallet_back(
    buyer: Buyer,
) -> None:
    """Anyone who recorded the record can send it again while the session lives."""
    market, key = buyer.market, buyer.wallet.key()
    first, second = (TokenWallet(market, next=dict(buyer.wallet.next)) for _ in range(2))
    recorded = Claim(wallet=first.id)
    await market.ask(buyer.session, recorded)
    await market.ask(buyer.session, Claim(wallet=second.id))
    request, _ = second.asking(key, 1)
    await market.ask(buyer.session, request)
    await market.ask(buyer.session, recorded)
    await market.ask(buyer.session, second.asking(key, 1)[0])


async def test_withdrawing_and_depositing_without_a_login(buyer: Buyer) -> None:
    session = buyer.market.session()
    await buyer.market.ask(session, Start())
    request, _ = buyer.wallet.asking(buyer.wallet.key(), 1)
    for asked in (
        request,
        Claim(wallet=bytes(16)),
        Deposit(token=buyer.tokens[0]),
        ListIssues(key=buyer.wallet.key().id, start=0),
    ):
        with pytest.raises(LoginRequired):
            await buyer.market.ask(session, asked)


# ---- at once -----------------------------------------------------------------------------------


@both_engines
async def test_one_token_spent_and_deposited_at_once(buyer: Buyer) -> None:
    market, token = buyer.market, buyer.tokens[0]
    spends = [
        market.ask(market.session(), buyer.wallet.spending(os.urandom(32), token)) for _ in range(8)
    ]
    deposits = [market.ask(buyer.session, Deposit(token=token)) for _ in range(8)]
    found = await asyncio.gather(*spends, *deposits, return_exceptions=True)
    assert all(isinstance(each, TokenSpent) for each in found if isinstance(each, BaseException))
    spent = sum(not isinstance(each, BaseException) for each in found[:8])
    deposited = sum(not isinstance(each, BaseException) for each in found[8:])
    # The account may ask again as often as it likes; the money came once.
    assert (spent, deposited) in ((1, 0), (0, 8))
    check(market)


@both_engines
async def test_one_order_paid_by_token_and_account_at_once(buyer: Buyer) -> None:
    market = buyer.market
    order = await market.offered(buyer.session)
    pay = market.ask(buyer.session, market.pay(order))
    spend = market.ask(market.session(), buyer.wallet.spending(order, buyer.tokens[0]))
    paid, spent = await asyncio.gather(pay, spend, return_exceptions=True)
    assert not isinstance(spent, BaseException)  # type: ignore[has-type]
    # Anyone who was later lost nothing: the token was exchanged, or the account not debited.
    assert bool(spent.refund) == (not isinstance(paid, BaseException))  # type: ignore[has-type]
    check(market)


@both_engines
async def test_one_withdrawal_asked_for_64_times_at_once(buyer: Buyer) -> None:
    market = buyer.market
    request, _ = buyer.wallet.asking(buyer.wallet.key(), 1)
    answers = await asyncio.gather(*(market.ask(buyer.session, request) for _ in range(CLIENTS)))
    assert all(answer == answers[0] for answer in answers)
    assert balance(market, "anna") == 15_00
    check(market)


@both_engines
async def test_a_key_retired_while_its_tokens_are_spent(buyer: Buyer) -> None:
    market, key = buyer.market, buyer.wallet.key()
    requests = [buyer.wallet.spending(os.urandom(32), token) for token in buyer.tokens]
    requests += [buyer.wallet.spending(await buyer.order(), token) for token in buyer.tokens]
    retiring = market.opened.database.run(key_retirement.retire, key, market.clock())
    tries = [market.ask(market.session(), request) for request in requests]
    found = await asyncio.gather(*tries[:2], retiring, *tries[2:], return_exceptions=True)
    refused = (TokenSpent, TokenKeyEnded, RefundKeyUnfit)
    assert all(isinstance(each, refused) for each in found if isinstance(each, VeilmartError))
    await market.broker.sweep()
    check(market)
