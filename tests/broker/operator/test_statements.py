"""A merchant's statement from a real broker: what it says, and what a cheating one cannot say."""

import asyncio
import os
import time
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.broker.audit.audited_market import Life, live
from tests.broker.escrow.returning import refund_of
from tests.broker.operator.bought import ask, bought, fetch, paper_of
from tests.support.broker_market import Market, Served
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE, Clock, ScriptedMerchant
from veilmart.broker import settings
from veilmart.broker.home import BrokerHome
from veilmart.broker.operator import bookkeeping, statements
from veilmart.broker.server.running import RunningBroker
from veilmart.crypto import identity, signing
from veilmart.errors import (
    ClocksDiffer,
    MalformedMessage,
    MerchantUnknown,
    NotYourBroker,
    SignatureInvalid,
    StatementInvalid,
)
from veilmart.merchant.back_office.compare_books import OwnOrder, reconcile
from veilmart.merchant.back_office.statements import fetch_statement
from veilmart.merchant.publishing.brokers import PinnedBroker
from veilmart.protocol import customer_messages as messages, labels
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.encoding import encode
from veilmart.protocol.order_states import OrderState
from veilmart.protocol.signed_requests import sign_request
from veilmart.protocol.statement import (
    AskStatement,
    StatementEntry,
    StatementPage,
    StatementRequest,
    StatementTotals,
    asked_hash,
    check_page,
    open_page,
    sign_page,
)


@both_engines
async def test_it_says_what_became_of_every_order(market: Market) -> None:
    anna = await market.customer("anna", 10_000)
    market.run(settings.set_fee, 250)
    await market.broker.look()
    sold = [await bought(market, anna) for _ in range(3)]
    back = await bought(market, anna, settle=False)
    await market.ask(anna, market.act(messages.Cancel, back))
    await market.ask(market.session(), refund_of(market, sold[0]))
    held = await bought(market, anna, settle=False)
    market.run(bookkeeping.payout, "shop", 100, market.clock(), "transfer 1")
    page = await fetch(market)
    fee = PRICE * 250 // 10_000
    assert [(e.sequence, e.order, e.event, e.amount, e.fee) for e in page.entries] == [
        *((n + 1, order, "settled", PRICE, fee) for n, order in enumerate(sold)),
        (4, back, "refunded", PRICE, 0),
        (5, sold[0], "returned", PRICE, 0),
    ]
    assert page.totals == StatementTotals(
        settled=3 * PRICE,
        fees=3 * fee,
        refunded=PRICE,
        given_back=PRICE,
        paid_out=100,
        credited=0,
        held=PRICE,
        released=0,
        balance=2 * PRICE - 3 * fee - 100,
    )
    await market.ask(anna, market.act(messages.Release, held))
    later = await fetch(market, after=page.last)
    assert later.entries == [] and later.last == page.last
    assert later.totals == replace_total(page.totals, held=0, released=PRICE)


def replace_total(totals: StatementTotals, **changed: int) -> StatementTotals:
    fields = {name: getattr(totals, name) for name in totals.__struct_fields__}
    return StatementTotals(**(fields | changed))


async def test_long_ones_come_in_pages(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "ENTRIES_MAX", 2)
    monkeypatch.setattr(statements, "_entries", statements._entries.limit(2))
    anna = await market.customer("anna", 10_000)
    orders = [await bought(market, anna) for _ in range(4)]
    seen: list[bytes] = []
    after = 0
    for _ in range(3):
        paper = paper_of(market.merchant, market.clock(), after)
        page = market.run(
            statements.read_page,
            paper,
            market.broker.state.merchants.known(market.merchant.fingerprint),
            bytes(32),
            market.clock(),
        )
        seen += [entry.order for entry in page.entries]
        after = page.entries[-1].sequence if page.entries else after
    assert seen == orders
    assert page.totals is not None and page.totals.settled == 4 * PRICE


async def test_who_may_not_ask(market: Market, other_key: identity.IdentityKey) -> None:
    merchant, now = market.merchant, market.clock()
    stranger = ScriptedMerchant(other_key, market.opened.fingerprint)
    cases: list[tuple[AskStatement, type[Exception]]] = [
        (ask(stranger, paper_of(stranger, now)), MerchantUnknown),
        (ask(stranger, paper_of(merchant, now)), SignatureInvalid),
        (ask(merchant, paper_of(merchant, now, broker=bytes(32))), NotYourBroker),
        (ask(merchant, paper_of(merchant, now - 601)), ClocksDiffer),
        (AskStatement(signed=b"short"), MalformedMessage),
    ]
    signed = sign_request(merchant.key, labels.WITHDRAWAL, paper_of(merchant, now))
    cases.append((AskStatement(signed=signed), SignatureInvalid))
    for request, error in cases:
        with pytest.raises(error):
            await market.ask(market.session(), request)


# ---- pages that the merchant refuses -------------------------------------------------------------

SEED, BROKER, MERCHANT = bytes(range(32)), b"b" * 32, b"m" * 32
PAPER = StatementRequest(broker=BROKER, merchant=MERCHANT, after=0, at=1)
SIGNED = b"the signed paper"
ENTRY = StatementEntry(sequence=1, order=bytes(32), event="settled", at=1, amount=500, fee=0)
TOTALS = StatementTotals(
    settled=500,
    fees=0,
    refunded=0,
    given_back=0,
    paid_out=0,
    credited=0,
    held=0,
    released=0,
    balance=500,
)


def a_page(**other: Any) -> StatementPage:
    fields: dict[str, Any] = {
        "broker": BROKER,
        "merchant": MERCHANT,
        "asked": asked_hash(SIGNED),
        "at": 1,
        "last": 1,
        "entries": [ENTRY],
        "totals": TOTALS,
    }
    return StatementPage(**(fields | other))


def test_a_page_in_order() -> None:
    signed = sign_page(SEED, a_page())
    check_page(open_page(signing.public_key(SEED), signed), PAPER, SIGNED)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"asked": asked_hash(b"an older paper")}, id="replayed"),
        pytest.param({"merchant": b"n" * 32}, id="another merchant's"),
        pytest.param({"broker": b"c" * 32}, id="another broker's"),
        pytest.param({"totals": None}, id="without an end"),
        pytest.param({"last": 2}, id="last entry left out"),
        pytest.param({"entries": [ENTRY, ENTRY], "last": 1}, id="an entry twice"),
        pytest.param({"entries": [], "last": 1}, id="entries left out"),
    ],
)
def test_pages_that_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(StatementInvalid):
        check_page(a_page(**other), PAPER, SIGNED)


def test_forged_pages_are_refused() -> None:
    public, signed = signing.public_key(SEED), sign_page(SEED, a_page())
    for at in (0, 63, 64, len(signed) - 1):
        changed = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
        with pytest.raises(SignatureInvalid):
            open_page(public, changed)
    with pytest.raises(SignatureInvalid):
        open_page(public, sign_page(bytes(32), a_page()))
    body = encode(a_page())
    with pytest.raises(SignatureInvalid):
        open_page(public, signing.sign(SEED, labels.OFFER, body) + body)
    with pytest.raises(MalformedMessage):
        open_page(public, signed[:64])


# ---- over the network ----------------------------------------------------------------------------


async def publish_fee(served: Served, basis_points: int) -> None:
    """Until the descriptor says so: the broker's own look may be under way already."""
    served.opened.database.run_now(settings.set_fee, basis_points)
    said = str(basis_points).encode()
    while served.broker.state.own.newest.public.descriptor.extensions.get("fee") != said:
        await served.broker.look()
        await asyncio.sleep(0.02)


async def test_a_merchant_fetches_it_from_a_running_broker(served: Served) -> None:
    await publish_fee(served, 100)
    merchant = served.merchant
    known = served.broker.state.own.newest.public
    pinned = PinnedBroker(
        1, served.opened.fingerprint, f"http://127.0.0.1:{served.port}", known, 0, 0
    )
    fetched = await fetch_statement(
        pinned, merchant.fingerprint, merchant.key, served.clock(), os.urandom
    )
    assert fetched.entries == [] and fetched.totals.balance == 0
    # Every rate that was published counts, back along the chain of descriptors.
    await publish_fee(served, 300)
    again = await fetch_statement(
        pinned, merchant.fingerprint, merchant.key, served.clock(), os.urandom
    )
    assert again.fees == {0, 100, 300}
    certified = read_descriptor(again.kept.descriptor).descriptor
    for signed in again.kept.pages:
        open_page(certified.signing_key, signed)


async def test_it_adds_up_after_a_whole_life(
    opened: BrokerHome, merchant_key: identity.IdentityKey, other_key: identity.IdentityKey
) -> None:
    """Folded months included: their times are days."""
    life: Life = await live(opened, merchant_key, other_key)
    broker = RunningBroker(opened, Clock(life.market.clock.now), os.urandom, lambda _event: None)
    life.market.broker = broker
    page = await fetch(life.market)
    totals = page.totals
    assert totals is not None
    assert totals.settled == sum(e.amount for e in page.entries if e.event == "settled")
    assert totals.fees == sum(e.fee for e in page.entries)
    earned = totals.settled - totals.fees - totals.given_back
    assert totals.balance == earned - totals.paid_out
    assert totals.paid_out == 300 + 200
    assert (totals.held, totals.released) == (PRICE, 2 * PRICE)
    booked = text("SELECT balance FROM accounts WHERE kind = 'merchant'")
    assert life.market.run(lambda conn: conn.execute(booked).scalar_one()) == totals.balance
    await broker.aclose()


@pytest.mark.long
async def test_a_hundred_thousand_orders_are_reconciled_in_seconds(served: Served) -> None:
    """Over the network, every page signed and verified; 100 pages."""
    count, merchant = 100_000, served.merchant
    fill = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) ",
        'INSERT INTO invoices (merchant, "order", signed, amount, order_key, deliver_within, '
        "settle_within, state, due, fee) SELECT :of, CAST(printf('%032d', i) AS BLOB), x'00', "
        "500, x'00', 1, 1, 'settled', 0, 0 FROM n",
        'INSERT INTO reports (merchant, sequence, "order", event, at, delivered) '
        "SELECT :of, i, CAST(printf('%032d', i) AS BLOB), 'settled', 1, 1 FROM n",
    )
    bound = {"count": count, "of": merchant.fingerprint}

    def insert(conn: Connection) -> None:
        for statement in fill[1:]:
            conn.execute(text(fill[0] + statement), bound)
        conn.execute(text("UPDATE merchants SET last_sequence = :count"), {"count": count})
        conn.execute(
            text("UPDATE accounts SET balance = :all WHERE kind = 'merchant'"), {"all": count * 500}
        )

    served.opened.database.run_now(insert)
    known = served.broker.state.own.newest.public
    url = f"http://127.0.0.1:{served.port}"
    pinned = PinnedBroker(1, served.opened.fingerprint, url, known, 0, 0)
    began = time.perf_counter()
    fetched = await fetch_statement(
        pinned, merchant.fingerprint, merchant.key, served.clock(), os.urandom
    )
    fetching = time.perf_counter() - began
    orders = {one.order: OwnOrder(500, OrderState.SETTLED) for one in fetched.entries}
    began = time.process_time()
    found = reconcile(fetched.entries, fetched.totals, fetched.fees, orders, count)
    print(f"\nfetched in {fetching:.1f} s, compared in {time.process_time() - began:.2f} s")
    assert found == [] and len(fetched.entries) == count
    assert len(encode(fetched.kept)) < 100 * 130_000
