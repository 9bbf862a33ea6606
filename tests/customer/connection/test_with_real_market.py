"""The customer's commands and methods against a real broker and a real merchant."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import AsyncMock

import msgspec
import pytest

from tests.support.real_market import BIG, RealMarket, real_market
from veilmart.customer.connection.shopper import connect
from veilmart.customer.events import Event, SettlementFailed
from veilmart.customer.wallet.wallet import open_wallet, unfinished
from veilmart.errors import (
    AuthenticationFailed,
    BrokerUnreachable,
    Declined,
    FingerprintChanged,
    InsufficientBalance,
    NotPinned,
)
from veilmart.protocol.address import parse_link


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with real_market(tmp_path_factory.mktemp("market")) as running:
        yield running


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize("suite", [None, "FFDHE3072-MIX-SHA256"])
def test_shop_transcript(market: RealMarket, tmp_path: Path, suite: str | None) -> None:
    name = f"shopper{'' if suite is None else 2}"
    market.account(tmp_path, name)
    more = [] if suite is None else ["--suite", suite]
    typed = f"{name}\nlong enough\nx\n1\nn\n2\nperhaps\ny\n0\n"
    done = market.customer(tmp_path, "shop", "--out", "out", *more, typed=typed)
    assert done.code == 0, done.err
    group = "X25519+ML-KEM-768" if suite is None else "ffdhe3072"
    told = (
        r"(ju..)\.txt\nA file, \1\.txt, [12]\d bytes; the download has [\d,]+ bytes, as every one "
        r"of its shelf\.\nSold by merchant\.\nRefunded in full .*\n"
    )
    out, count = re.subn(told, "", done.out)
    assert count == 2
    assert f"Group {group}, session fingerprint " in out
    fingerprint = out.split("session fingerprint ")[1].split()[0]
    menu = (
        "merchant\n  1. july.txt  5.00  19 bytes\n  2. june.txt  5.00  19 bytes\n"
        "  3. sea.bin  10.00  2,510,000 bytes\n  4. sky.bin  10.00  2,510,000 bytes\n"
    )
    assert out == (
        "Username: Broker authenticated successfully.\n"
        "Login successful.\n"
        f"Group {group}, session fingerprint {fingerprint}\n"
        f"{menu}"
        "Enter your selection: Please enter a number from 1 to 4, or 0 to leave.\n"
        "Enter your selection: Pay to deliver: 5.00, balance after 95.00\n"
        "Do you want to pay? (y/n) Order dropped. No money moved.\n"
        f"{menu}"
        "Enter your selection: Pay to deliver: 5.00, balance after 95.00\n"
        "Do you want to pay? (y/n) Please answer y or n.\n"
        "Do you want to pay? (y/n) Received 100 %\n"
        "Remaining balance: 95.00\n"
        "Integrity check successful\n"
        f"Saved to {tmp_path / 'out' / 'june.txt'}\n"
        f"{menu}"
        "Enter your selection: "
    )
    assert (tmp_path / "out" / "june.txt").read_text() == "The stars of June.\n"


def test_wrong_password_is_exit_code_3(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "forgetful")
    done = market.customer(tmp_path, "shop", typed="forgetful\nnot the one\n")
    assert done.code == AuthenticationFailed.exit_code == 3
    assert done.err.startswith("Authentication failed. Closing connection.")
    assert "Login successful" not in done.out


def test_link_works_with_nothing_prepared(market: RealMarket, tmp_path: Path) -> None:
    done = market.customer(tmp_path, "buy", market.link, typed="0\n")
    assert done.code == 0, done.err
    assert "Register or log in" not in done.out, "looking needs no account"
    typed = "2\nx\nr\nfresh\nlong enough\n"
    done = market.customer(tmp_path, "buy", market.link, typed=typed)
    assert done.code == InsufficientBalance.exit_code, done.err
    assert "Please answer r or l." in done.out
    assert "Registration successful." in done.out
    done = market.customer(tmp_path, "buy", market.link + "#june.txt", typed="y\n")
    assert done.code == InsufficientBalance.exit_code
    assert "0.00" in done.err and "No money moved." in done.err
    assert market.run("broker", "credit", "fresh", "20").code == 0
    done = market.customer(tmp_path, "buy", market.link + "#june.txt", typed="n\n")
    assert done.code == Declined.exit_code
    assert done.out.endswith("Order dropped. No money moved.\n")
    done = market.customer(tmp_path, "buy", market.link + "#june.txt", "--yes", "--json")
    assert done.code == 0, done.err
    assert msgspec.json.decode(done.out)["state"] == "done"
    done = market.customer(tmp_path, "buy", "june.txt", "--yes")
    assert done.code == 2 and done.err.startswith("You already own this.")
    done = market.customer(tmp_path, "buy", "june.txt", "--yes", "--again")
    assert done.code == 0, done.err
    assert (tmp_path / "june (2).txt").read_text() == "The stars of June.\n"


def test_yes_never_registers(market: RealMarket, tmp_path: Path) -> None:
    done = market.customer(tmp_path, "buy", market.link + "#june.txt", "--yes")
    assert done.code == 2
    assert done.err.startswith("You are not logged in.")


def test_bare_address_needs_somebody_who_compares(market: RealMarket, tmp_path: Path) -> None:
    done = market.customer(tmp_path, "join", market.url)
    assert done.code == NotPinned.exit_code
    assert market.customer(tmp_path, "join", market.url, "--yes").code == 0
    assert market.customer(tmp_path, "register", "bare", typed="long enough\n").code == 0
    assert market.customer(tmp_path, "browse").code == NotPinned.exit_code  # the merchant
    assert "june.txt" in market.customer(tmp_path, "browse", "--yes").out


def test_link_with_another_broker_stops_before_anything(market: RealMarket, tmp_path: Path) -> None:
    link = parse_link(market.link)
    assert link.merchant is not None
    forged = str(type(link)(link.host, link.port, link.merchant, link.merchant, None))
    done = market.customer(tmp_path, "buy", forged, typed="l\nmia\nlong enough\n")
    assert done.code == FingerprintChanged.exit_code
    assert "password" not in done.out.lower()


def test_receipt_is_verified_offline_and_a_changed_one_is_not(
    market: RealMarket, tmp_path: Path
) -> None:
    market.account(tmp_path, "collector")
    bought = market.customer(tmp_path, "buy", "sky.bin", "--yes", "--json", "--out", "out")
    order = msgspec.json.decode(bought.out)["order"]
    assert (tmp_path / "out" / "sky.bin").read_bytes() == BIG
    assert market.customer(tmp_path, "receipt", order[:8], "--out", "sky.receipt").code == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = tmp_path / "sky.receipt"
    done = market.customer(elsewhere, "receipt", "verify", str(file), "--json")
    assert done.code == 0, done.err
    verified = msgspec.json.decode(done.out)
    assert (verified["order"], verified["amount"]) == (order, "10.00")
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = market.customer(elsewhere, "receipt", "verify", str(file))
    assert done.code == 2 and done.err.startswith("The receipt does not verify.")


def test_password_change_logs_out_elsewhere(market: RealMarket, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    market.account(here, "mover")
    assert market.customer(there, "join", market.link).code == 0
    assert market.customer(there, "login", "mover", typed="long enough\n").code == 0
    done = market.customer(here, "passwd", typed="long enough\neven longer\n")
    assert done.code == 0, done.err
    assert "100.00" in market.customer(here, "balance").out
    assert market.customer(there, "balance").code != 0
    assert market.customer(there, "login", "mover", typed="long enough\n").code == 3
    assert market.customer(there, "login", "mover", typed="even longer\n").code == 0


async def test_purchase_takes_five_exchanges_and_four_commits(
    market: RealMarket, tmp_path: Path
) -> None:
    market.account(tmp_path, "counter")
    wallet = open_wallet(tmp_path / "customer", now, os.urandom)
    link = parse_link(market.link)
    assert link.merchant is not None
    async with await connect(wallet, link) as shopper:
        account = await shopper.account.read()
        menu = await shopper.browse(link.merchant)
        await shopper.merchant(link.merchant)  # what the account itself is shown
        june = next(product for product in menu.products if product.title == "june.txt")
        for turn in range(2):
            exchanges, commits = shopper.http.exchanges, wallet.database.commits
            bought = await shopper.buy(menu, june, tmp_path / "out")
            assert shopper.http.exchanges - exchanges == 5
            assert wallet.database.commits - commits == 4
            assert bought.balance == account.balance - 500 * (turn + 1)
    await wallet.aclose()


async def test_goods_are_here_before_the_acknowledgement_leaves(
    market: RealMarket, tmp_path: Path
) -> None:
    market.account(tmp_path, "hurried")
    wallet = open_wallet(tmp_path / "customer", now, os.urandom)
    link = parse_link(market.link)
    assert link.merchant is not None
    async with await connect(wallet, link) as shopper:
        menu = await shopper.browse(link.merchant)
        june = next(product for product in menu.products if product.title == "june.txt")
        bought = await shopper.buy(menu, june, tmp_path / "out", later=True)
        assert bought.path.read_text() == "The stars of June.\n"
        assert [order.state for order in unfinished(wallet)] == ["released"]
        await shopper.settled()
        assert unfinished(wallet) == []
        await shopper.buy(menu, june, tmp_path / "out", later=True)
    assert unfinished(wallet) == [], "closing the connection waits for it"
    await wallet.aclose()


async def test_acknowledgement_that_fails_is_told_and_sync_sends_it(
    market: RealMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.account(tmp_path, "cut")
    wallet = open_wallet(tmp_path / "customer", now, os.urandom)
    link = parse_link(market.link)
    assert link.merchant is not None
    told: list[Event] = []
    async with await connect(wallet, link, observe=told.append) as shopper:
        menu = await shopper.browse(link.merchant)
        june = next(product for product in menu.products if product.title == "june.txt")
        bought = await shopper.buy(menu, june, tmp_path / "out", later=True)
        monkeypatch.setattr(shopper.session, "ask", AsyncMock(side_effect=BrokerUnreachable))
    (failed,) = [event for event in told if isinstance(event, SettlementFailed)]
    assert isinstance(failed.error, BrokerUnreachable)
    assert [order.state for order in unfinished(wallet)] == ["delivered"]
    await wallet.aclose()
    assert market.customer(tmp_path, "sync").code == 0
    listed = msgspec.json.decode(market.customer(tmp_path, "orders", "--json").out)["orders"]
    assert [order["state"] for order in listed] == ["done"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [bought.path.name]


async def test_session_that_ended_is_made_again(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "sleeper")
    wallet = open_wallet(tmp_path / "customer", now, os.urandom)
    link = parse_link(market.link)
    assert link.merchant is not None
    async with await connect(wallet, link) as shopper:
        menu = await shopper.browse(link.merchant)
        await shopper.account.read()
        live = shopper.session._live
        assert live is not None
        object.__setattr__(live.keys, "session_id", bytes(16))
        sky = next(product for product in menu.products if product.title == "sky.bin")
        bought = await shopper.buy(menu, sky, tmp_path / "out")
        assert bought.path.read_bytes() == BIG
    await wallet.aclose()
