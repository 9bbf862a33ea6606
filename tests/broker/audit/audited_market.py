"""A broker with a whole life behind it, for the audit: every kind of row that there is.

Two months: the first is folded, the second is under way. No signature is made up: customers,
merchants and broker do what they do, and the clock is the only thing that is not real.
"""

import os
from dataclasses import dataclass, field

from tests.broker.escrow.returning import dispute_the_key, refund_of, signed_offer
from tests.support.broker_market import Market
from tests.support.scripted_broker import Clock, ScriptedMerchant
from tests.support.token_wallet import TokenWallet
from veilmart.broker import merchants, settings
from veilmart.broker.accounts import vouchers
from veilmart.broker.home import BrokerHome
from veilmart.broker.operator import bookkeeping
from veilmart.broker.server.running import RunningBroker
from veilmart.broker.sessions.session import Session
from veilmart.crypto.identity import IdentityKey
from veilmart.protocol import customer_messages as messages, labels
from veilmart.protocol.offer import order_of
from veilmart.protocol.signed_requests import JoinRequest, WithdrawalRequest, sign_request
from veilmart.protocol.token_messages import Deposit

MONTHS = 62 * 24 * 3600
FEE_BASIS_POINTS = 250


@dataclass
class Life:
    """Orders by the state they have reached, and what else a corruption wants to name."""

    market: Market
    orders: dict[str, bytes] = field(default_factory=dict)
    code: str = ""
    tokens: TokenWallet | None = None
    old: list[bytes] = field(default_factory=list)


async def live(opened: BrokerHome, key: IdentityKey, other: IdentityKey) -> Life:
    """Everything that can happen to a broker but for accidents. The broker is stopped again."""
    merchant = ScriptedMerchant(key, opened.fingerprint)
    opened.database.run_now(merchants.admit, merchant.descriptor, "127.0.0.1:9")
    clock = Clock()
    broker = RunningBroker(opened, clock, os.urandom, lambda _event: None)
    broker.links.ask = merchant.ask  # type: ignore[assignment, method-assign]
    life = Life(Market(opened, broker, merchant, clock, []))
    market = life.market
    market.run(settings.set_fee, FEE_BASIS_POINTS)
    await broker.look()
    anna, bert = await market.customer("anna", 10_000), await market.customer("bert", 10_000)
    await _first_month(life, anna, bert)
    clock.now += MONTHS
    await broker.sweep()
    await _renew(market)
    await _second_month(life, anna, bert)
    rival = ScriptedMerchant(other, opened.fingerprint, since=clock.now)
    await market.ask(market.session(), _joining(rival, clock.now))
    await broker.aclose()
    return life


async def _first_month(life: Life, anna: Session, bert: Session) -> None:
    market = life.market
    life.orders["folded"] = await _bought(market, anna)
    life.orders["folded too"] = await _bought(market, bert)
    back = await _paid(market, bert)
    await market.ask(bert, market.act(messages.Cancel, back))
    life.orders["folded back"] = back
    (code,) = market.run(vouchers.issue_vouchers, 1, 700, market.clock(), os.urandom).codes
    await market.ask(anna, messages.Redeem(code=code))
    market.run(bookkeeping.payout, "shop", 300, market.clock(), "transfer 1")
    life.tokens = TokenWallet(market)
    life.old = await life.tokens.withdraw(anna, 2)


async def _second_month(life: Life, anna: Session, bert: Session) -> None:
    market, orders = life.market, life.orders
    orders["settled"] = await _bought(market, anna)
    market.clock.now += 10
    orders["settled too"] = await _bought(market, bert)
    orders["refunded"] = await _paid(market, anna)
    market.clock.now += 10
    await market.ask(anna, market.act(messages.Cancel, orders["refunded"]))
    orders["late"] = await _paid(market, bert)
    market.clock.now += 3600
    await market.broker.sweep()
    orders["by time"] = await _paid(market, bert)
    market.clock.now += 10
    await market.ask(bert, market.act(messages.Release, orders["by time"]))
    market.clock.now += 7200
    await market.broker.sweep()
    orders["expired"] = await market.offered(anna)
    market.clock.now += 900
    await market.broker.sweep()
    await _vouchers_and_payouts(life, anna)
    await _returned(life, anna)
    await _tokens(life, bert)
    orders["released"] = await _paid(market, anna)
    market.clock.now += 10
    await market.ask(anna, market.act(messages.Release, orders["released"]))
    orders["held"] = await _paid(market, anna)
    orders["offered"] = await market.offered(anna)


async def _vouchers_and_payouts(life: Life, anna: Session) -> None:
    market = life.market
    issued = market.run(vouchers.issue_vouchers, 4, 700, market.clock(), os.urandom)
    await market.ask(anna, messages.Redeem(code=issued.codes[0]))
    market.run(vouchers.void_voucher, issued.codes[1], market.clock())
    life.code = issued.codes[2]
    for amount in (200, 150):
        await market.ask(market.session(), _withdrawing(market.merchant, market.clock(), amount))
    market.clock.now += 10
    market.run(bookkeeping.payout, "shop", 200, market.clock())


async def _returned(life: Life, anna: Session) -> None:
    """The merchant refunds a settled, a released and a held order, and loses a dispute."""
    market, orders = life.market, life.orders
    orders["given back"] = await _bought(market, anna)
    orders["returned"] = await _paid(market, anna)
    market.clock.now += 5
    await market.ask(anna, market.act(messages.Release, orders["returned"]))
    orders["not delivered"] = await _paid(market, anna)
    market.clock.now += 5
    for name in ("given back", "returned", "not delivered"):
        await market.ask(market.session(), refund_of(market, orders[name]))
    escrow = os.urandom(32)
    offer = signed_offer(market, escrow)
    orders["disputed"] = await _paid(market, anna, order_of(offer))
    market.clock.now += 5
    await market.ask(anna, market.act(messages.Release, orders["disputed"]))
    market.clock.now += 5
    await dispute_the_key(market, orders["disputed"], offer, escrow)


async def _tokens(life: Life, bert: Session) -> None:
    """Bought with tokens, cancelled, too late, deposited, one left; two are of an older key."""
    market, orders, wallet = life.market, life.orders, life.tokens
    assert wallet is not None
    fresh = market.session()
    fresh.login = bert.login
    wallet.id = os.urandom(16)
    spare = await wallet.withdraw(fresh, 4)
    orders["by token"] = await market.offered(market.session())
    await wallet.spend(orders["by token"], life.old[0])
    market.clock.now += 5
    for action in (messages.Release, messages.Acknowledge):
        await market.ask(market.session(), market.act(action, orders["by token"]))
    orders["token back"] = await market.offered(market.session())
    await wallet.spend(orders["token back"], spare[0])
    market.clock.now += 5
    await market.ask(market.session(), market.act(messages.Cancel, orders["token back"]))
    orders["too late"] = await market.offered(market.session())
    market.clock.now += 900
    await wallet.spend(orders["too late"], life.old[1])
    await market.ask(fresh, Deposit(token=spare[1]))
    orders["held by token"] = await market.offered(market.session())
    await wallet.spend(orders["held by token"], spare[2])
    market.clock.now += 5
    await market.ask(market.session(), market.act(messages.Release, orders["held by token"]))


async def _renew(market: Market) -> None:
    """Months later the merchant signs with another key; the broker has seen its descriptor."""
    market.merchant.since = market.clock.now
    market.merchant.renew()
    market.run(merchants.add_descriptor, market.merchant.descriptor)
    market.run(settings.touch)
    await market.broker.look()


async def _paid(market: Market, session: Session, name: bytes | None = None) -> bytes:
    """Invoiced and paid. name: of the order, or None for any."""
    # A session of its own: the first customers' ones ended long ago.
    fresh = market.session()
    fresh.login = session.login
    order = await market.offered(fresh, order=name)
    await market.ask(fresh, market.pay(order))
    return order


async def _bought(market: Market, session: Session) -> bytes:
    order = await _paid(market, session)
    market.clock.now += 5
    await market.ask(session, market.act(messages.Release, order))
    market.clock.now += 5
    await market.ask(session, market.act(messages.Acknowledge, order))
    return order


def _joining(merchant: ScriptedMerchant, at: int) -> messages.AskToJoin:
    paper = JoinRequest(
        broker=merchant.broker, address="rival.example:8100", descriptor=merchant.signed, at=at
    )
    return messages.AskToJoin(signed=sign_request(merchant.key, labels.JOIN_REQUEST, paper))


def _withdrawing(merchant: ScriptedMerchant, at: int, amount: int) -> messages.AskToWithdraw:
    paper = WithdrawalRequest(
        broker=merchant.broker,
        merchant=merchant.fingerprint,
        id=os.urandom(16),
        amount=amount,
        note="",
        at=at,
    )
    return messages.AskToWithdraw(signed=sign_request(merchant.key, labels.WITHDRAWAL, paper))
