"""What operators and merchants ask of a broker beyond purchases."""

import csv
import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.broker.called import run
from tests.broker.operator.bought import bought, withdrawing
from tests.support.broker_market import PASSWORD, Market
from tests.support.scripted_broker import PRICE, START, Clock, ScriptedMerchant
from veilmart.broker import merchants, settings
from veilmart.broker.accounts import administration
from veilmart.broker.accounts.customers import find_customer
from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.escrow.outbox import next_reports
from veilmart.broker.home import open_home
from veilmart.broker.ledger import booking
from veilmart.broker.operator import admission, bookkeeping, merchant_requests
from veilmart.broker.operator.exports import KINDS
from veilmart.broker.schema.tables import FEES
from veilmart.crypto import identity
from veilmart.errors import (
    AccountDisabled,
    AuthenticationFailed,
    BadArgument,
    ClocksDiffer,
    DescriptorUnknown,
    InsufficientBalance,
    MalformedMessage,
    NoSuchRequest,
    NotYourBroker,
    ServerBusy,
    SessionUnknown,
    SignatureInvalid,
    TooManyOpen,
)
from veilmart.limits import JOIN_REQUESTS_MAX, WITHDRAWALS_OPEN_MAX
from veilmart.protocol import customer_messages as messages, labels
from veilmart.protocol.signed_requests import JoinRequest, sign_request
from veilmart.terminal.csv_file import AMOUNTS

AMOUNT = re.compile(r"-?\d+\.\d\d")


# ---- users -------------------------------------------------------------------------------------


async def test_a_disabled_account_is_out_at_once_and_gets_its_money_back(market: Market) -> None:
    session = await market.customer("anna", 2000)
    device = session.login.device  # type: ignore[union-attr]
    order = await bought(market, session, settle=False)
    market.run(administration.disable, "anna", True, market.clock())
    await market.broker.look()
    with pytest.raises(SessionUnknown):
        market.broker.state.sessions.get(session.keys.session_id, market.clock())
    resume = messages.Resume(username="anna", device=device)
    login = messages.Login(username="anna", password=PASSWORD, device=b"")
    for request in (resume, login):
        with pytest.raises(AccountDisabled):
            await market.ask(market.session(), request)
    wrong = messages.Login(username="anna", password="not the right one", device=b"")
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), wrong)
    # The order key needs no login: what was paid is still delivered, or given back.
    await market.ask(market.session(), market.act(messages.Cancel, order))
    market.run(administration.disable, "anna", False, market.clock())
    assert (await market.ask(market.session(), resume)).balance == 2000
    market.check_books()


async def test_a_reset_logs_every_machine_out(market: Market) -> None:
    session = await market.customer("anna", 2000)
    device = session.login.device  # type: ignore[union-attr]
    hashed = Passwords(os.urandom).hash_now("another password")
    market.run(administration.reset, "anna", hashed, market.clock())
    await market.broker.look()
    with pytest.raises(SessionUnknown):
        market.broker.state.sessions.get(session.keys.session_id, market.clock())
    with pytest.raises(AuthenticationFailed):
        await market.ask(market.session(), messages.Resume(username="anna", device=device))
    fresh = messages.Login(username="anna", password="another password", device=b"")
    assert (await market.ask(market.session(), fresh)).balance == 2000
    (line,) = market.run(administration.user_lines)
    assert (line.username, line.disabled, line.devices) == ("anna", False, 1)


# ---- fees --------------------------------------------------------------------------------------


async def test_a_fee_is_taken_from_each_sale_invoiced_after_it_was_set(market: Market) -> None:
    session = await market.customer("anna", 2000)
    before = await market.offered(session)
    market.run(settings.set_fee, 250)
    await market.broker.look()
    assert market.broker.state.own.newest.public.descriptor.extensions["fee"] == b"250"
    await bought(market, session)
    await market.ask(session, market.pay(before))
    await market.ask(session, market.act(messages.Release, before))
    await market.ask(session, market.act(messages.Acknowledge, before))
    account = market.run(merchants.load_merchants)[0].account
    assert market.run(booking.balance_of, FEES) == PRICE * 250 // 10_000 == 12
    assert market.run(booking.balance_of, account) == 2 * PRICE - 12
    told = market.run(next_reports, market.merchant.fingerprint, 0)
    assert [(entry.event, entry.fee) for entry in told.entries] == [("settled", 12), ("settled", 0)]
    assert told.balance == 2 * PRICE - 12
    market.check_books()
    for wrong in (-1, 5001):
        with pytest.raises(BadArgument):
            market.run(settings.set_fee, wrong)


# ---- merchants ask -----------------------------------------------------------------------------


def joining(merchant: ScriptedMerchant, at: int, **changes: Any) -> messages.AskToJoin:
    fields: dict[str, Any] = {
        "broker": merchant.broker,
        "address": "shop.example.org:8100",
        "descriptor": merchant.signed,
        "at": at,
    }
    paper = JoinRequest(**(fields | changes))
    return messages.AskToJoin(signed=sign_request(merchant.key, labels.JOIN_REQUEST, paper))


async def test_a_merchant_asks_to_join_and_is_noted_once(
    market: Market, other_key: identity.IdentityKey
) -> None:
    merchant = ScriptedMerchant(other_key, market.opened.fingerprint)
    for address in ("a.example:1", "b.example:2"):
        request = joining(merchant, market.clock(), address=address)
        await market.ask(market.session(), request)
    (line,) = market.run(merchant_requests.join_lines)
    assert (line.name, line.address) == ("shop", "b.example:2")
    assert market.run(merchant_requests.find_join, line.fingerprint[:10]) == line
    candidate = admission.Candidate("b.example:2", merchant.descriptor)
    market.run(admission.admit, candidate)
    with pytest.raises(NoSuchRequest):
        market.run(merchant_requests.find_join, "shop")


async def test_join_requests_that_are_not_noted(
    market: Market, other_key: identity.IdentityKey
) -> None:
    merchant = ScriptedMerchant(other_key, market.opened.fingerprint)
    now = market.clock()
    stranger = ScriptedMerchant(other_key, bytes(32))
    expired = ScriptedMerchant(other_key, market.opened.fingerprint, since=START - 60 * 24 * 3600)
    for request, error in (
        (joining(expired, now), DescriptorUnknown),
        (joining(merchant, now - 601), ClocksDiffer),
        (joining(merchant, now, broker=bytes(32)), NotYourBroker),
        (joining(merchant, now, address="not an address"), MalformedMessage),
        (joining(stranger, now, broker=market.opened.fingerprint), NotYourBroker),
        (joining(merchant, now, descriptor=market.merchant.signed), SignatureInvalid),
        (messages.AskToJoin(signed=bytes(500)), MalformedMessage),
    ):
        with pytest.raises(error):
            await market.ask(market.session(), request)
    assert market.run(merchant_requests.join_lines) == []


async def test_join_requests_are_bounded(market: Market, other_key: identity.IdentityKey) -> None:
    row = {"name": "x", "address": "x:1", "signed": b"", "at": market.clock()}
    for number in range(JOIN_REQUESTS_MAX):
        market.run(merchant_requests._note_join, row | {"fingerprint": number.to_bytes(32, "big")})
    merchant = ScriptedMerchant(other_key, market.opened.fingerprint)
    with pytest.raises(ServerBusy):
        await market.ask(market.session(), joining(merchant, market.clock()))
    market.run(merchant_requests.forget_old, market.clock() + 31 * 24 * 3600)
    await market.ask(market.session(), joining(merchant, market.clock()))


async def test_a_withdrawal_is_asked_for_and_paid(market: Market) -> None:
    market.run(bookkeeping.credit, "shop", 3000, True, market.clock())
    request = withdrawing(market, 2000)
    for _ in range(2):
        await market.ask(market.session(), request)
    with pytest.raises(InsufficientBalance):
        await market.ask(market.session(), withdrawing(market, 1001))
    (line,) = market.run(merchant_requests.withdrawal_lines)
    assert (line.amount, line.state, line.note) == (2000, "asked", "to the usual account")
    market.run(bookkeeping.payout, "shop", 2000, market.clock())
    assert [w.state for w in market.run(merchant_requests.withdrawal_lines)] == ["paid"]
    await market.ask(market.session(), withdrawing(market, 1000))
    newest = next(w for w in market.run(merchant_requests.withdrawal_lines) if w.state == "asked")
    market.run(merchant_requests.decline_withdrawal, newest.id[:6], market.clock())
    with pytest.raises(NoSuchRequest):
        market.run(merchant_requests.decline_withdrawal, newest.id[:6], market.clock())
    market.check_books()


async def test_withdrawals_that_are_not_noted(
    market: Market, other_key: identity.IdentityKey
) -> None:
    market.run(bookkeeping.credit, "shop", 3000, True, market.clock())
    for request, error in (
        (withdrawing(market, 1, key=other_key), SignatureInvalid),
        (withdrawing(market, 0), MalformedMessage),
        (withdrawing(market, 1, at=market.clock() + 601), ClocksDiffer),
        (withdrawing(market, 1, broker=bytes(32)), NotYourBroker),
    ):
        with pytest.raises(error):
            await market.ask(market.session(), request)
    for _ in range(WITHDRAWALS_OPEN_MAX):
        await market.ask(market.session(), withdrawing(market, 1))
    with pytest.raises(TooManyOpen):
        await market.ask(market.session(), withdrawing(market, 1))


# ---- commands ----------------------------------------------------------------------------------


def test_the_operators_commands(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(*words: str) -> Any:
        assert run(*words, "--json", home=home) == 0, capsys.readouterr().out
        return json.loads(capsys.readouterr().out)

    sheet = home.parent / "sheet.html"
    issued = say("voucher", "issue", "--count", "3", "--value", "20", "--sheet", str(sheet))
    assert all(code in sheet.read_text() for code in issued["codes"])
    assert sheet.stat().st_mode & 0o777 == 0o600
    assert say("voucher", "list")[0]["issued"] == 3
    assert say("voucher", "void", issued["codes"][0])["void"] == 1
    (line,) = say("voucher", "list")
    assert (line["issued"], line["left"], line["void"]) == (3, 2, 1)
    assert say("voucher", "void", "--batch", "1")["void"] == 2
    assert run("voucher", "void", home=home) == 2
    assert run("voucher", "void", issued["codes"][0], home=home) == 2
    capsys.readouterr()
    assert len(say("invitation", "issue", "--count", "2")["codes"]) == 2
    assert say("invitation", "list")[0]["issued"] == 2
    assert say("invitation", "void", "--batch", "1")["void"] == 2
    assert say("registration")["registration"] == "open"
    assert say("registration", "closed")["registration"] == "closed"
    assert say("fee", "150")["basis_points"] == 150
    assert say("withdrawals") == [] == say("merchant", "requests")
    assert run("merchant", "decline", "nobody", home=home) == 2
    assert say("audit")["ok"] is True


def test_user_commands(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from veilmart.broker.accounts.customers import add_customer

    with open_home(home) as opened:
        opened.database.run_now(add_customer, "anna", "hash", os.urandom(32), Clock()())
    assert run("user", "disable", "anna", home=home) == 0
    assert run("user", "list", home=home) == 0
    assert "disabled" in capsys.readouterr().out
    assert run("user", "enable", "anna", home=home) == 0
    assert run("user", "reset", "anna", "--json", home=home) == 0
    password = json.loads(capsys.readouterr().out.splitlines()[-1])["password"]
    with open_home(home) as opened:
        found = opened.database.run_now(lambda conn: find_customer(conn, "anna"))
    assert found is not None
    assert Passwords(os.urandom).verify_now(found.password_hash, password)
    for words in (("disable", "x"), ("reset", "x")):
        assert run("user", *words, home=home) == 2


async def test_csv_exports_hold_no_formulas(market: Market, tmp_path: Path) -> None:
    home = market.opened.home.path
    session = await market.customer("=2+5", 2000)
    await bought(market, session)
    for kind, rows in (
        ("accounts", 11),
        ("postings", 6),
        ("invoices", 1),
        ("merchants", 1),
        ("vouchers", 0),
        ("withdrawals", 0),
        ("folds", 0),
    ):
        file = tmp_path / f"{kind}.csv"
        assert run("export", kind, str(file), home=home) == 0
        with file.open(newline="") as stream:
            table = list(csv.DictReader(stream))
        assert len(table) == rows, kind
        if kind == "accounts":
            assert "'=2+5" in {row["name"] for row in table}
        if kind == "postings":
            assert sum(Decimal(row["amount"]) for row in table) == 0
            assert {"5.00", "-5.00"} <= {row["amount"] for row in table}
    assert run("export", "secrets", str(tmp_path / "x.csv"), home=home) == 2


async def test_amounts_have_one_form_in_json_and_csv(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = market.opened.home.path
    session = await market.customer("anna", 2000)
    await bought(market, session)
    name = "shop"
    assert run("voucher", "issue", "--value", "20", home=home) == 0
    for words in (
        ("user", "list"),
        ("accounts",),
        ("merchant", "list"),
        ("token", "list"),
        ("voucher", "list"),
        ("credit", "anna", "1.00"),
        ("payout", name, "1.00", "--reference", "1"),
        ("merchant", "suspend", name),
    ):
        capsys.readouterr()
        assert run(*words, "--json", home=home) == 0, words
        lines = json.loads(capsys.readouterr().out.splitlines()[-1])
        amounts = [
            amount
            for line in (lines if isinstance(lines, list) else [lines])
            for head, amount in line.items()
            if head in AMOUNTS
        ]
        assert amounts and all(AMOUNT.fullmatch(amount) for amount in amounts), words
    for kind in KINDS:
        file = tmp_path / f"{kind}.csv"
        assert run("export", kind, str(file), home=home) == 0
        with file.open(newline="") as stream:
            for row in csv.DictReader(stream):
                assert all(AMOUNT.fullmatch(row[head]) for head in AMOUNTS & set(row)), kind
