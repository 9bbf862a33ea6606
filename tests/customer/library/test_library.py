"""What one owns: fetched again, in new versions, redeemed, backed up; with a real market."""

import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.real_market import BIG, RealMarket, real_market
from tests.support.waiting import wait_until
from veilmart.errors import (
    BackupOlder,
    CodeMistyped,
    NotInitialised,
    VoucherUnknown,
    WrongOrderState,
)
from veilmart.protocol.code import make_code


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with real_market(tmp_path_factory.mktemp("market")) as running:
        yield running


def buy(market: RealMarket, home: Path, product: str, *more: str) -> str:
    done = market.customer(home, "buy", product, "--yes", "--json", "--out", "out", *more)
    assert done.code == 0, done.err
    order: str = msgspec.json.decode(done.out)["order"]
    return order


def settled(market: RealMarket, home: Path, *words: str) -> str:
    """A `fetch`; the broker's report to the merchant takes a moment."""
    for _ in range(50):
        done = market.customer(home, "fetch", *words)
        if "4145" not in done.err:
            break
        time.sleep(0.1)
    assert done.code == 0, done.err
    return done.out


def test_what_was_bought_is_fetched_again_without_a_login(
    market: RealMarket, tmp_path: Path
) -> None:
    market.account(tmp_path, "again")
    order = buy(market, tmp_path, "sky.bin")
    (tmp_path / "out" / "sky.bin").unlink()
    with sqlite3.connect(tmp_path / "customer" / "wallet.sqlite") as wallet:
        wallet.execute("DELETE FROM logins")
    assert "Saved to" in settled(market, tmp_path, order[:8])
    assert (tmp_path / "out" / "sky.bin").read_bytes() == BIG
    settled(market, tmp_path, order[:8], "--out", "elsewhere")
    assert (tmp_path / "elsewhere" / "sky.bin").read_bytes() == BIG
    assert not list((tmp_path / "customer" / "parcels").iterdir())
    done = market.customer(tmp_path, "fetch", "ffffffff")
    assert done.code == 2


def in_stock(menu: str, title: str) -> bool:
    """The merchant lists a code at once, and has it in stock at its next look."""
    return any(f" {title} " in line and "not available" not in line for line in menu.splitlines())


def test_a_bought_code_is_fetched_again_and_stays_the_same(
    market: RealMarket, tmp_path: Path
) -> None:
    stock = {name: [f"{name}-{number:04}" for number in range(3)] for name in ("keys", "cards")}
    for name, lines in stock.items():
        (market.home / f"{name}.txt").write_text("\n".join(lines) + "\n")
    added = market.run("merchant", "codes", "add", "keys.txt", "cards.txt", "--price", "2.00")
    assert added.code == 0, added.err
    market.account(tmp_path, "player")
    ends = time.monotonic() + 60
    while not in_stock(market.customer(tmp_path, "browse").out, "keys"):
        assert time.monotonic() < ends, "the running merchant does not notice"
    bought: dict[str, bytes] = {}
    for more in ((), ("--again",)):
        order = buy(market, tmp_path, "keys", *more)
        (file,) = (tmp_path / "out").iterdir()
        bought[order] = file.read_bytes()
        file.unlink()
    assert len(set(bought.values())) == 2
    assert {content.decode().strip() for content in bought.values()} < set(stock["keys"])
    for order, content in bought.items():
        for again in range(2):
            place = f"again {again} {order[:8]}"
            settled(market, tmp_path, order[:8], "--out", place)
            (copy,) = (tmp_path / place).iterdir()
            assert copy.read_bytes() == content
    # Fetching takes no code from the stock, and there is never a newer version of one.
    listed = market.run("merchant", "codes", "list", "--json")
    states = {entry["title"]: entry for entry in msgspec.json.decode(listed.out)}
    assert (states["keys"]["free"], states["keys"]["sold"]) == (1, 2)
    assert market.customer(tmp_path, "sync", "--now").out == "Nothing is unfinished.\n"


def test_sync_fetches_a_new_version_when_it_is_due(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "reader")
    order = buy(market, tmp_path, "june.txt")
    settled(market, tmp_path, order[:8], "--out", "copy")
    assert market.customer(tmp_path, "sync").out == "Nothing is unfinished.\n"
    goods = market.home / "goods" / "june.txt"
    goods.write_text("The stars of June, corrected.\n")
    added = market.run("merchant", "add", str(goods), "--price", "5.00")
    assert added.code == 0, added.err

    def known() -> list[tuple[int, str, int]]:
        assert market.customer(tmp_path, "sync", "--updates").code == 0
        with sqlite3.connect(tmp_path / "customer" / "wallet.sqlite") as wallet:
            return wallet.execute(
                "SELECT version, state, due_at FROM copies WHERE version = 2"
            ).fetchall()

    # The moment is random within two days, so a plain sync only puts it on the list.
    wait_until(known)
    rows = known()
    assert len(rows) == 1 and rows[0][1] == "due"
    assert 0 <= rows[0][2] - time.time() + 60 <= 48 * 3600 + 60
    done = market.customer(tmp_path, "sync", "--now")
    assert done.code == 0, done.err
    assert "june.txt: version 2 saved to" in done.out
    newest = (tmp_path / "out" / "june (2).txt").read_text()
    assert newest == "The stars of June, corrected.\n"
    assert "version 2" in market.customer(tmp_path, "library").out
    assert market.customer(tmp_path, "sync").out == "Nothing is unfinished.\n"
    goods.write_text("The stars of June.\n")
    assert market.run("merchant", "add", str(goods), "--price", "5.00").code == 0


def test_redeem_reads_a_voucher_once(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "lucky", "0.01")
    issued = market.run("broker", "voucher", "issue", "--value", "20", "--json")
    (code,) = msgspec.json.decode(issued.out)["codes"]
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    done = market.customer(tmp_path, "redeem", typed=f"{wrong}\n")
    assert done.code == CodeMistyped.exit_code and str(CodeMistyped.code) in done.err
    done = market.customer(tmp_path, "redeem", typed=f"{code.lower()}\n")
    assert done.out.endswith("20.00 redeemed. Balance: 20.01\n"), done.err
    unknown = make_code(bytes(10))
    done = market.customer(tmp_path, "redeem", typed=f"{unknown}\n")
    assert done.code == VoucherUnknown.exit_code and str(VoucherUnknown.code) in done.err


@pytest.mark.long
def test_a_wallet_is_backed_up_and_restored(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "careful")
    first = buy(market, tmp_path, "june.txt")
    assert market.customer(tmp_path, "backup", "wallet.tar").code == 0
    second = buy(market, tmp_path, "july.txt")
    time.sleep(1.1)
    done = market.customer(tmp_path, "restore", "wallet.tar")
    assert done.code == BackupOlder.exit_code and str(BackupOlder.code) in done.err
    assert second[:8] in market.customer(tmp_path, "orders").out
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = market.customer(elsewhere, "restore", str(tmp_path / "wallet.tar"))
    assert done.code == 0, done.err
    listed = market.customer(elsewhere, "orders").out
    assert first[:8] in listed and second[:8] not in listed
    assert "careful" in market.customer(elsewhere, "balance").out
    settled(market, elsewhere, first[:8], "--out", str(elsewhere))
    assert (elsewhere / "june.txt").read_text() == "The stars of June.\n"
    file = tmp_path / "orders.csv"
    assert market.customer(tmp_path, "export", str(file)).code == 0
    assert len(re.findall(r"^[0-9a-f]{64},done,", file.read_text(), re.MULTILINE)) == 2


@pytest.mark.long
def test_only_what_is_finished_is_fetched_again(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "hasty")
    order = buy(market, tmp_path, "june.txt")
    with sqlite3.connect(tmp_path / "customer" / "wallet.sqlite") as wallet:
        wallet.execute("UPDATE orders SET state = 'refunded'")
    done = market.customer(tmp_path, "fetch", order[:8])
    assert done.code == WrongOrderState.exit_code
    with sqlite3.connect(tmp_path / "customer" / "wallet.sqlite") as wallet:
        wallet.execute("PRAGMA foreign_keys=OFF")
        wallet.execute("UPDATE orders SET state = 'done', broker = x'00'")
    done = market.customer(tmp_path, "fetch", order[:8])
    assert str(NotInitialised.code) in done.err
