"""Vouchers and invitations: each is good once, however many people come at once."""

import asyncio
import os
from typing import Any

import pytest
from sqlalchemy import text

from tests.broker.accounts.issuing import issue
from tests.support.broker_market import PASSWORD, Market
from tests.support.engines import both_engines
from tests.support.statements import recorded, scans
from veilmart.broker import settings
from veilmart.broker.accounts import invitations, vouchers
from veilmart.broker.accounts.customers import add_customer
from veilmart.broker.cli.voucher_sheet import Cards, draw_sheet
from veilmart.broker.cli.vouchers import HOW_TO_USE
from veilmart.broker.ledger import booking
from veilmart.broker.sessions.session import Login
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import (
    BadArgument,
    InvitationInvalid,
    LoginRequired,
    NoSuchCode,
    RegistrationClosed,
    TooManyAttempts,
    VeilmartError,
    VoucherSpent,
    VoucherUnknown,
)
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.code import make_code
from veilmart.protocol.customer_messages import Redeem, Redeemed, Register, RegisterInvited

REDEEMERS = 64
HASHED = "$argon2id$not computed: nobody logs in with it"


def outstanding(market: Market) -> int:
    account = market.run(booking.account_of, AccountKind.VOUCHERS)
    balance: int = market.run(booking.balance_of, account)
    return balance


@both_engines
async def test_a_voucher_is_money_until_it_is_redeemed(market: Market) -> None:
    first, second = issue(market, 2)
    assert outstanding(market) == 4000
    session = await market.customer("anna", 100)
    answer = await market.ask(session, Redeem(code=first))
    assert answer == Redeemed(value=2000, balance=2100, again=False)
    repeated = await market.ask(session, Redeem(code=first.lower()))
    assert repeated == Redeemed(value=2000, balance=2100, again=True)
    assert outstanding(market) == 2000
    market.check_books()
    other = await market.customer("bert")
    with pytest.raises(VoucherSpent):
        await market.ask(other, Redeem(code=first))
    assert (await market.ask(other, Redeem(code=second))).balance == 2000
    market.check_books()


@both_engines
async def test_64_redeemers_at_once_get_one_voucher_once(market: Market) -> None:
    (code,) = issue(market)
    sessions = []
    for number in range(REDEEMERS):
        name = f"customer {number}"
        opened = market.run(add_customer, name, HASHED, os.urandom(32), market.clock())
        session = market.session()
        market.broker.state.sessions.log_in(session, Login(opened, name, bytes(32)))
        sessions.append(session)
    outcomes: list[Any] = await asyncio.gather(
        *(market.ask(session, Redeem(code=code)) for session in sessions), return_exceptions=True
    )
    redeemed = [outcome for outcome in outcomes if isinstance(outcome, Redeemed)]
    assert [outcome.balance for outcome in redeemed] == [2000]
    assert sum(isinstance(outcome, VoucherSpent) for outcome in outcomes) == REDEEMERS - 1
    assert outstanding(market) == 0
    market.check_books()


@both_engines
async def test_asking_again_for_ones_own_voucher_is_slowed_and_scans_nothing(
    market: Market,
) -> None:
    (code,) = issue(market)
    session = await market.customer("anna")
    await market.ask(session, Redeem(code=code))
    with recorded() as statements:
        for _ in range(3):
            assert (await market.ask(session, Redeem(code=code))).again
    with pytest.raises(TooManyAttempts):
        await market.ask(session, Redeem(code=code))
    market.clock.now += 60
    assert (await market.ask(session, Redeem(code=code))).again
    assert [market.run(scans, statement) for statement in statements.values()] == [set()] * len(
        statements
    )


async def test_guesses_are_slowed_and_counted_by_account(market: Market) -> None:
    (code,) = issue(market)
    session = await market.customer("anna")
    for _ in range(3):
        with pytest.raises(VoucherUnknown):
            await market.ask(session, Redeem(code=make_code(os.urandom(10))))
    with pytest.raises(TooManyAttempts):
        await market.ask(session, Redeem(code=code))
    other = await market.customer("bert")
    with pytest.raises(VoucherUnknown):
        await market.ask(other, Redeem(code="nothing like a code"))
    market.clock.now += 1
    assert (await market.ask(session, Redeem(code=code))).value == 2000


async def test_only_who_is_logged_in_redeems(market: Market) -> None:
    with pytest.raises(LoginRequired):
        await market.ask(market.session(), Redeem(code=issue(market)[0]))


async def test_vouchers_are_taken_back_once(market: Market) -> None:
    made = issue(market, 3)
    session = await market.customer("anna")
    await market.ask(session, Redeem(code=made[0]))
    with pytest.raises(NoSuchCode):
        market.run(vouchers.void_voucher, made[0], market.clock())
    assert market.run(vouchers.void_voucher, made[1], market.clock()) == 2000
    with pytest.raises(VoucherSpent):
        await market.ask(session, Redeem(code=made[1]))
    assert market.run(vouchers.void_batch, 1, market.clock()) == 1
    with pytest.raises(NoSuchCode):
        market.run(vouchers.void_batch, 1, market.clock())
    (line,) = market.run(vouchers.voucher_lines)
    assert (line.issued, line.left, line.redeemed, line.void) == (3, 0, 1, 2)
    assert outstanding(market) == 0
    market.check_books()


@pytest.mark.parametrize(("count", "value"), [(0, 1), (1001, 1), (1, 0), (1, -5)])
async def test_what_cannot_be_issued(market: Market, count: int, value: int) -> None:
    with pytest.raises(BadArgument):
        issue(market, count, value)
    market.check_books()


async def test_a_voucher_booked_behind_the_books_back_is_found(market: Market) -> None:
    issue(market)
    market.run(lambda conn: conn.execute(text("UPDATE vouchers SET state = 'void'")).rowcount)
    with pytest.raises(AssertionError):
        market.check_books()


def invited(name: str, code: str) -> RegisterInvited:
    return RegisterInvited(username=name, password=PASSWORD, invitation=code)


async def test_an_invitation_opens_one_account(market: Market) -> None:
    market.run(settings.set_registration, "invitation")
    await market.broker.look()
    issued = market.run(invitations.issue_invitations, 2, market.clock(), os.urandom)
    with pytest.raises(InvitationInvalid):
        await market.ask(market.session(), Register(username="anna", password=PASSWORD))
    for wrong in ("", make_code(os.urandom(10))):
        with pytest.raises(InvitationInvalid):
            await market.ask(market.session(), invited("anna", wrong))
    welcome = await market.ask(market.session(), invited("anna", issued.codes[0]))
    assert welcome.username == "anna"
    with pytest.raises(InvitationInvalid):
        await market.ask(market.session(), invited("bert", issued.codes[0]))
    outcomes = await asyncio.gather(
        *(market.ask(market.session(), invited(f"c{n}", issued.codes[1])) for n in range(4)),
        return_exceptions=True,
    )
    assert sum(not isinstance(outcome, VeilmartError) for outcome in outcomes) == 1
    assert market.run(invitations.invitation_lines) == []


async def test_closed_is_closed(market: Market) -> None:
    market.run(settings.set_registration, "closed")
    await market.broker.look()
    for request in (Register(username="anna", password=PASSWORD), invited("anna", "x")):
        with pytest.raises(RegistrationClosed):
            await market.ask(market.session(), request)
    with pytest.raises(BadArgument):
        market.run(settings.set_registration, "ajar")


@pytest.mark.parametrize("suffix", [".html", ".svg"])
def test_a_sheet_has_every_code_and_no_markup_of_strangers(suffix: str) -> None:
    made = [make_code(os.urandom(10)) for _ in range(4)]
    cards = Cards("<script>", bytes(32), "20.00 EUR", HOW_TO_USE["voucher"])
    sheet = draw_sheet(suffix, cards, made)
    assert all(code in sheet for code in made)
    assert "<script>" not in sheet
    assert sheet.count("<path") >= 4
    assert sheet.count("veilmart customer redeem") == len(made)
    fingerprint = format_fingerprint(bytes(32))
    assert sheet.count(fingerprint[:24]) >= len(made)
    with pytest.raises(BadArgument):
        draw_sheet(".pdf", cards, made)
