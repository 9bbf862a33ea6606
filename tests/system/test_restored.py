"""A market whose broker and merchant go back to a backup: wallets go on, nothing is forked."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_market import RealMarket, run, serving, wait_for
from veilmart.errors import BackupInvalid, BackupOlder, HomeInUse


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    folder.mkdir()
    return folder


def shop(home: Path, broker: str) -> None:
    goods = home / "goods"
    goods.mkdir()
    for name in ("june.txt", "july.txt"):
        (goods / name).write_text(f"The stars of {name}.\n")
    assert run(home, "merchant", "init", "--broker", broker, "--yes").code == 0
    assert run(home, "merchant", "add", str(goods), "--price", "5.00").code == 0


def admit(home: Path, merchant: str) -> None:
    """The merchant asks to join; the operator, who was told the fingerprint, admits it."""
    asked = run(home, "merchant", "join", merchant, "--json")
    assert asked.code == 0, asked.err
    fingerprint = json.loads(asked.out)["fingerprint"]
    listed: Any = json.loads(run(home, "broker", "merchant", "requests", "--json").out)
    assert [entry["fingerprint"] for entry in listed] == [fingerprint]
    admitted = run(home, "broker", "merchant", "admit", "merchant", "--fingerprint", fingerprint)
    assert admitted.code == 0, admitted.err
    wait_for(home / "broker.log", "authenticated ")


@pytest.mark.long
def test_broker_and_merchant_are_restored_and_wallets_go_on(home: Path, tmp_path: Path) -> None:
    customer = tmp_path / "customer home"
    customer.mkdir()
    with serving(home, "broker") as broker:
        shop(home, broker)
        with serving(home, "merchant") as merchant:
            admit(home, merchant)
            link = run(home, "merchant", "link").out.splitlines()[0]
            market = RealMarket(home, link, broker)
            market.account(customer, "anna")
            assert run(home, "broker", "backup", "broker.tar").code == 0
            assert run(home, "merchant", "backup", "merchant.tar").code == 0
            bought = market.customer(customer, "buy", "june.txt", "--yes", "--out", "out")
            assert bought.code == 0, bought.err
            assert run(home, "merchant", "withdraw-request", "4.00", "--note", "x").code == 0
            assert run(home, "merchant", "withdraw-request", "4.00").code == 3
            asked = json.loads(run(home, "broker", "withdrawals", "--json").out)
            assert [(entry["amount"], entry["note"]) for entry in asked] == [("4.00", "x")]
            running = run(home, "broker", "restore", "broker.tar", "--over-newer")
            assert str(HomeInUse.code) in running.err
    for role in ("broker", "merchant"):
        older = run(home, role, "restore", f"{role}.tar")
        assert older.code == BackupOlder.exit_code and str(BackupOlder.code) in older.err
        done = run(home, role, "restore", f"{role}.tar", "--over-newer")
        assert done.code == 0, done.err
        assert (home / role / "replaced-1" / "identity.pem").is_file()
    other = run(home, "broker", "restore", "merchant.tar", "--over-newer")
    assert str(BackupInvalid.code) in other.err
    port = broker.rpartition(":")[2]
    with serving(home, "broker", port), serving(home, "merchant", merchant.rpartition(":")[2]):
        # The wallet has seen newer serials than the backups hold; it is not asked to trust again.
        balance = market.customer(customer, "balance")
        assert "anna: 100.00 EUR" in balance.out, balance.err
        again = market.customer(customer, "buy", "july.txt", "--yes", "--out", "out")
        assert again.code == 0, again.err
        assert run(home, "broker", "audit").code == 0
        export = run(home, "merchant", "export", "sales", "sales.csv")
        assert export.code == 0, export.err
        assert "july.txt" in (home / "sales.csv").read_text()


@pytest.mark.long
def test_a_merchant_moves_to_another_machine(home: Path, tmp_path: Path) -> None:
    with serving(home, "broker") as broker:
        shop(home, broker)
        assert run(home, "merchant", "backup", "merchant.tar").code == 0
        shutil.rmtree(home / "merchant")
        assert run(home, "merchant", "restore", "merchant.tar").code == 0
        listed = json.loads(run(home, "merchant", "list", "--json").out)
        assert {entry["title"] for entry in listed} == {"june.txt", "july.txt"}
        with serving(home, "merchant") as merchant:
            admit(home, merchant)
    assert (home / "merchant" / "merchant.sqlite").stat().st_mode & 0o777 == 0o600
