"""The command line, as its operator sees it."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.broker.called import run
from tests.support.broker_market import Served
from tests.support.programs import Program, run as start
from veilmart.broker import events
from veilmart.broker.accounts.customers import add_customer
from veilmart.broker.home import open_home
from veilmart.broker.operator import admission
from veilmart.broker.server.narration import Narrator
from veilmart.crypto import identity
from veilmart.errors import FingerprintChanged, NotYourBroker


def test_init_makes_a_home_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "broker"
    assert run("init", "--currency", "CHF", "--name", "market", home=home) == 0
    assert "Currency: CHF" in capsys.readouterr().out
    assert (home / "identity.pem").stat().st_mode & 0o777 == 0o600
    assert (home / "broker.sqlite").stat().st_mode & 0o777 == 0o600
    assert run("init", home=home) == 2
    assert "Nothing was changed" in capsys.readouterr().err


def test_commands_before_init_say_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("accounts", home=tmp_path / "none") == 2
    assert "init" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_money_and_audit(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_home(home) as opened:
        opened.database.run_now(add_customer, "anna", "$argon2id$", os.urandom(32), 1)
    assert run("credit", "anna", "12.50", home=home) == 0
    assert "anna has 12.50 now." in capsys.readouterr().out
    for wrong in ("0", "1.234", "x", "99999999999999999"):
        assert run("credit", "anna", wrong, home=home) == 2
    capsys.readouterr()
    assert run("credit", "nobody", "5", home=home) == 2
    assert run("accounts", "--json", home=home) == 0
    accounts = json.loads(capsys.readouterr().out.splitlines()[-1])
    (anna,) = [line for line in accounts if line.pop("account") and line["name"] == "anna"]
    assert anna == {"kind": "customer", "name": "anna", "balance": "12.50"}
    assert run("audit", home=home) == 0
    assert "The books are in order." in capsys.readouterr().out
    with open_home(home) as opened:
        cheat = text("UPDATE accounts SET balance = 9999 WHERE id = 4")
        opened.database.run_now(lambda conn: conn.execute(cheat).rowcount)
    assert run("audit", home=home) == 7
    assert "BROKEN accounts" in capsys.readouterr().out
    assert run("audit", "--json", home=home) == 7
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_price_points(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("price-points", home=home) == 0
    assert capsys.readouterr().out == "1.00 2.00 5.00 10.00 20.00 50.00 EUR\n"
    assert run("price-points", "set", "3", "1.50", home=home) == 0
    assert capsys.readouterr().out == "1.50 3.00 EUR\n"
    assert run("price-points", "set", "0", home=home) == 2
    assert run("descriptor", "--json", home=home) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["link"] == f"veilmart://127.0.0.1:8000/{shown['fingerprint']}"


async def test_merchants_are_admitted_by_fingerprint(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    home = served.opened.home.path
    url = f"http://127.0.0.1:{served.merchant_port}"
    candidate = await admission.fetch_candidate(served.opened, url, served.clock())
    assert candidate.descriptor.fingerprint == served.merchant.fingerprint
    admission.expect_fingerprint(candidate, served.merchant.fingerprint)
    with pytest.raises(FingerprintChanged):
        admission.expect_fingerprint(candidate, bytes(32))
    # By this machine's clock the scripted descriptor is not valid: it is not believed.
    assert await asyncio.to_thread(run, "merchant", "admit", url, "--yes", home=home) == 6
    served.merchant.broker = bytes(32)
    served.merchant.renew()
    with pytest.raises(NotYourBroker):
        await admission.fetch_candidate(served.opened, url, served.clock())
    capsys.readouterr()
    assert run("merchant", "list", "--json", home=home) == 0
    listed = json.loads(capsys.readouterr().out)
    right = identity.format_fingerprint(served.merchant.fingerprint)
    assert [(line["fingerprint"], line["state"]) for line in listed] == [(right, "admitted")]
    assert run("payout", "shop", "1.00", home=home) == 3
    assert run("merchant", "suspend", "shop", home=home) == 0
    assert run("merchant", "suspend", "nobody", home=home) == 2


def test_run_sets_up_listens_and_stops(tmp_path: Path) -> None:
    environment = {**os.environ, "VEILMART_HOME": str(tmp_path)}
    words = ("broker", "run", "--port", "0")
    program = Program(*words, env=environment, piped=True)
    assert program.stdout is not None
    try:
        line = program.stdout.readline()
        assert line.startswith("Broker listening on 127.0.0.1:")
        second = start(*words, env=environment)
        assert second.code == 2
        assert "Another veilmart process" in second.err
    finally:
        assert program.stop() == 0
        program.stdout.close()


def test_narration_tells_only_what_the_broker_knows() -> None:
    lines: list[str] = []
    narrator = Narrator(lines.append, narrate=True, decimals=2)
    for event in (
        events.Listening("127.0.0.1", 8000),
        events.Identified(bytes(32)),
        events.CustomerSession("ffdhe3072", "00ff"),
        events.CustomerAuthenticated("anna"),
        events.TunnelCarried(b"n" * 16, "shop"),
        events.RequestForwarded(b"n" * 16, 1100, 2200),
        events.AwaitingPayment(b"n" * 16, b"o" * 32, 500),
        events.PaymentHeld(b"o" * 32),
        events.KeyReleased(b"o" * 32),
        events.OrderSettled(b"o" * 32),
        events.PaymentLapsed(b"\x01" * 32),
    ):
        narrator(event)
    assert lines == [
        "Broker listening on 127.0.0.1:8000",
        f"Fingerprint: {identity.format_fingerprint(bytes(32))}",
        "Customer session: group ffdhe3072, session fingerprint 00ff",
        "Customer anna authenticated successfully.",
        "R1 tunnel to merchant shop forwarded",
        "R1 sealed request forwarded, 1100 bytes; answer 2200 bytes",
        "R1 awaiting payment Pay to deliver 5.00",
        "R1 Payment Status - True",
        "R1 key released",
        "R1 Transaction Done",
        "Order 01010101 Payment Status - False",
    ]
    quiet: list[str] = []
    narrator = Narrator(quiet.append, narrate=False, decimals=2)
    narrator(events.PaymentHeld(b"o" * 32))
    narrator(events.CustomerRefused())
    assert quiet == ["Authentication failed. Closing connection."]
