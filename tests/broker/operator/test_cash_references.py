"""A payment in cash that is booked twice by mistake is booked once."""

from functools import partial

import pytest
from sqlalchemy import Connection

from tests.broker.operator.bought import withdrawing
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from veilmart.broker.accounts import vouchers
from veilmart.broker.accounts.customers import find_customer
from veilmart.broker.ledger import booking
from veilmart.broker.maintenance.folding import fold_until
from veilmart.broker.operator import bookkeeping, merchant_requests
from veilmart.broker.schema import tables
from veilmart.errors import (
    BadAmount,
    BadArgument,
    CreditRepeated,
    InsufficientBalance,
    ReferenceNeeded,
    ReferenceUsed,
)
from veilmart.limits import INTEGER_MAX
from veilmart.protocol.accounting import transfer

MONTHS_SECONDS = 70 * 24 * 3600


def cash(market: Market) -> int:
    return -int(market.run(booking.balance_of, tables.CASH))


@both_engines
async def test_a_credit_given_twice_under_one_reference_is_one(market: Market) -> None:
    await market.customer("anna")
    for _ in range(3):
        booked = market.run(
            bookkeeping.credit, "anna", 700, False, market.clock(), "bank 2027-01-15/1"
        )
        assert booked.balance == 700
    with pytest.raises(ReferenceUsed):
        market.run(bookkeeping.credit, "anna", 701, False, market.clock(), "bank 2027-01-15/1")
    with pytest.raises(BadArgument):
        market.run(bookkeeping.credit, "anna", 700, False, market.clock(), "\x1b[2J")
    assert cash(market) == 700
    market.check_books()


@both_engines
async def test_a_credit_given_twice_without_a_reference_is_refused_for_ten_minutes(
    market: Market,
) -> None:
    await market.customer("anna")
    await market.customer("bert")

    def credit(name: str, amount: int, reference: str | None = None) -> int:
        now = market.clock()
        book = partial(bookkeeping.credit, repeats=False)
        booked = market.run(book, name, amount, False, now, reference)
        return int(booked.balance)

    assert credit("anna", 700) == 700
    with pytest.raises(CreditRepeated):
        credit("anna", 700)
    assert (credit("bert", 700), credit("anna", 1), credit("anna", 700, "second")) == (
        700,
        701,
        1401,
    )
    market.clock.now += bookkeeping.REPEATED_SECONDS
    assert credit("anna", 700) == 2101
    market.check_books()


@both_engines
async def test_a_mistyped_credit_is_taken_back_by_a_booking_of_its_own(market: Market) -> None:
    await market.customer("anna")
    now = market.clock()
    market.run(bookkeeping.credit, "anna", 70000, False, now)
    with pytest.raises(BadArgument):
        market.run(bookkeeping.reverse_credit, "anna", 7000, False, now)
    for _ in range(2):
        booked = market.run(bookkeeping.reverse_credit, "anna", 70000, False, now, "slip 3")
        assert booked.balance == 0
    with pytest.raises(BadArgument):
        market.run(bookkeeping.reverse_credit, "anna", 70000, False, now)
    assert cash(market) == 0
    market.run(bookkeeping.credit, "anna", 700, False, now)
    market.check_books()
    market.run(_spend_one, "anna", now)
    with pytest.raises(InsufficientBalance):
        market.run(bookkeeping.reverse_credit, "anna", 700, False, now)


def _spend_one(conn: Connection, name: str, now: int) -> None:
    """One minor unit leaves a customer's account."""
    found = find_customer(conn, name)
    assert found is not None
    booking.book(conn, "payout", b"", now, transfer(found.account, tables.CASH, 1))


@both_engines
async def test_a_payout_given_twice_is_paid_once(market: Market) -> None:
    """With a reference, and without one, where it answers what the merchant asked for."""
    market.run(bookkeeping.credit, "shop", 5000, True, market.clock())
    await market.ask(market.session(), withdrawing(market, 2000))
    market.run(bookkeeping.payout, "shop", 2000, market.clock())
    with pytest.raises(ReferenceNeeded):
        market.run(bookkeeping.payout, "shop", 2000, market.clock())
    for _ in range(2):
        market.run(bookkeeping.payout, "shop", 1000, market.clock(), "transfer 7")
    # A credit of the same reference is another payment.
    market.run(bookkeeping.credit, "shop", 10, True, market.clock(), "transfer 7")
    assert cash(market) == 5010 - 3000
    market.check_books()


async def test_a_reference_is_refused_also_when_its_month_was_folded(market: Market) -> None:
    market.run(bookkeeping.credit, "shop", 5000, True, market.clock(), "first")
    market.run(bookkeeping.payout, "shop", 1000, market.clock(), "transfer 1")
    market.clock.now += MONTHS_SECONDS
    await market.broker.upkeep.fold()
    assert fold_until(market.clock()) > market.clock() - MONTHS_SECONDS
    with pytest.raises(ReferenceUsed):
        market.run(bookkeeping.payout, "shop", 1000, market.clock(), "transfer 1")
    assert cash(market) == 4000
    market.check_books()


@both_engines
async def test_vouchers_count_against_the_cap_on_money(market: Market) -> None:
    """No balance can be more than a message says, whichever way the money came in."""
    import os

    now, most = market.clock(), INTEGER_MAX // 2
    await market.customer("anna")
    market.run(vouchers.issue_vouchers, 1, most, now, os.urandom)
    for count, value in ((1, most + 2), (2, most), (1000, INTEGER_MAX), (1, INTEGER_MAX + 1)):
        with pytest.raises(BadAmount):
            market.run(vouchers.issue_vouchers, count, value, now, os.urandom)
    with pytest.raises(BadAmount):
        market.run(bookkeeping.credit, "anna", most + 2, False, now)
    assert cash(market) == most
    assert [line.issued for line in market.run(vouchers.voucher_lines)] == [1]
    assert market.run(merchant_requests.withdrawal_lines) == []
