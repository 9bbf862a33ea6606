"""The wallet's commands as programs of their own: words, tokens, two programs on one wallet."""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest

from tests.support.programs import Finished, Program
from tests.support.real_market import RealMarket, real_market
from tests.support.screen import Screen
from veilmart.customer.library.errands import all_errands
from veilmart.customer.tokens.stocks import all_stocks, own_day
from veilmart.customer.wallet.seed import DAY_SECONDS
from veilmart.customer.wallet.seed_state import usable
from veilmart.customer.wallet.tokens import UNSPENT, tokens_of
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.limits import REFILL_WINDOW_SECONDS
from veilmart.terminal.clock import unix_now

IN_USE = 1150
COUNT = 5


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with real_market(tmp_path_factory.mktemp("market")) as running:
        yield running


def withdrawing(home: Path) -> Program:
    words = ("customer", "tokens", "withdraw", "5.00", "--count", str(COUNT), "--json")
    return Program(*words, env={**os.environ, "VEILMART_HOME": str(home)}, piped=True)


def test_two_programs_on_one_wallet_at_once(market: RealMarket) -> None:
    """One of them may be told to wait; no counter is used twice and nothing is paid in vain."""
    home = market.home / "twice"
    home.mkdir()
    market.account(home, "twice")
    assert market.customer(home, "wallet", "create", "--no-passphrase").code == 0
    programs = [withdrawing(home) for _ in range(3)]
    done = 0
    for program in programs:
        assert program.stdout is not None
        out = program.stdout.read()
        program.wait()
        if program.returncode == 0:
            done += 1
        else:
            assert json.loads(out)["error"]["code"] == IN_USE
    assert done >= 1
    wallet = open_wallet(home / "customer", unix_now, bytes)
    pin = json.loads(market.customer(home, "tokens", "--json").out)["tokens"]
    assert [line["count"] for line in pin] == [done * COUNT]
    broker = wallet.database.run_now(current)
    counters = [token.counter for token in wallet.database.run_now(tokens_of, broker, UNSPENT)]
    wallet.close()
    assert sorted(counters) == list(range(done * COUNT))  # type: ignore[type-var]
    assert f"{100 - 5 * COUNT * done}.00" in market.customer(home, "balance").out


def current(connection: object) -> bytes:
    from veilmart.customer.trust.pins import current_broker

    pin = current_broker(connection)  # type: ignore[arg-type]
    assert pin is not None
    return pin.fingerprint


def error_of(finished: Finished) -> int:
    return int(json.loads(finished.out)["error"]["code"])


def test_words_and_passphrase(market: RealMarket) -> None:
    home = market.home / "words"
    home.mkdir()
    market.account(home, "words")
    secret = home / "passphrase"
    secret.write_text("quite long enough\n")
    with_secret = ("--passphrase-file", str(secret))
    assert error_of(market.customer(home, "wallet", "show-seed", "--json")) == 1180
    assert error_of(market.customer(home, "wallet", "create", "--json")) == 1183
    made = market.customer(home, "wallet", "create", "--words", "24", *with_secret, "--json")
    words = json.loads(made.out)["words"]
    assert len(words.split()) == 24
    shown = market.customer(home, "wallet", "show-seed", *with_secret, "--json")
    assert json.loads(shown.out)["words"] == words
    assert error_of(market.customer(home, "wallet", "show-seed", "--json")) == 1183
    wrong = market.customer(
        home, "wallet", "show-seed", "--passphrase-file", "-", "--json", typed="wrong\n"
    )
    assert error_of(wrong) == 1182
    sealed = home / "customer" / "wallet.seed"
    content = bytearray(sealed.read_bytes())
    content[40] ^= 1
    sealed.write_bytes(content)
    damaged = market.customer(home, "wallet", "show-seed", *with_secret, "--json")
    assert error_of(damaged) == 5120


def test_wallet_put_back_from_a_backup_is_restored_from_its_words_first(
    market: RealMarket,
) -> None:
    home = market.home / "backup"
    home.mkdir()
    market.account(home, "backup")
    made = market.customer(home, "wallet", "create", "--no-passphrase", "--json")
    words = json.loads(made.out)["words"]
    kept = home / "kept.tar"
    assert market.customer(home, "tokens", "withdraw", "5.00", "--count", "2").code == 0
    assert market.customer(home, "backup", str(kept)).code == 0
    assert market.customer(home, "buy", "june.txt", "--yes", "--now").code == 0
    assert market.customer(home, "restore", str(kept), "--over-newer").code == 0
    refused = market.customer(home, "buy", "july.txt", "--anonymous", "--yes", "--now", "--json")
    assert error_of(refused) == 1184
    back = market.customer(
        home, "wallet", "restore", "--words-file", "-", "--json", typed=words + "\n"
    )
    assert json.loads(back.out) == {"withdrawn": 2, "unspent": 1, "foreign": 0, "orders": 1}
    assert market.customer(home, "buy", "july.txt", "--yes", "--now").code == 0
    (key,) = json.loads(market.customer(home, "orders", "--json").out)["lost"]
    found = market.customer(home, "restore-order", key[:8], "--yes", "--json")
    assert json.loads(found.out)["title"] == "june.txt"
    assert "lost" not in market.customer(home, "orders").out


def test_proxy_is_set_once_and_holds_for_everything(market: RealMarket) -> None:
    home = market.home / "proxy"
    home.mkdir()
    market.account(home, "proxy")
    assert market.customer(home, "proxy", "socks5://127.0.0.1:9", "--json").code == 2
    assert market.customer(home, "proxy", "socks5h://127.0.0.1:9").code == 0
    assert error_of(market.customer(home, "balance", "--json")) == 3106
    assert market.customer(home, "proxy", "none").code == 0
    assert "100.00" in market.customer(home, "balance").out


def first_purchase(home: Path, *options: str) -> Screen:
    """`buy --anonymous` on a terminal, with nothing but an account; after the words were drawn."""
    env = {**os.environ, "VEILMART_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"}
    words = ("customer", "buy", "june.txt", "--anonymous", *options)
    child = Screen(*words, env=env, cwd=home, timeout=300)
    child.expect("Buying without an account works with tokens")
    child.expect("New passphrase: ")
    child.sendline("quite long enough")
    child.expect("Repeat it: ")
    child.sendline("quite long enough")
    child.expect("To be sure, type some of them.")
    drawn = dict(re.findall(r"(\d+) ([a-z]+)", child.before))
    for _ in range(3):
        child.expect(r"Word (\d+): ")
        child.sendline(drawn[child.match.group(1)])
    child.expect("gives? back this wallet")
    return child


def test_first_anonymous_purchase_leaves_the_withdrawal_to_sync(market: RealMarket) -> None:
    """One run serves one identity: this one has looked, so the account is not asked."""
    home = market.home / "first"
    home.mkdir()
    market.account(home, "first")
    child = first_purchase(home)
    child.expect("You have no token of 5.00")
    child.expect("keep as many in stock. Buy a day later")
    child.expect(r"Let `sync` withdraw 8 tokens of 5.00\? \(y/n\) ")
    child.sendline("y")
    child.expect("Nothing was sent for it")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "100.00" in market.customer(home, "balance").out
    wallet = open_wallet(home / "customer", lambda: 0, os.urandom)
    try:
        (stock,) = wallet.database.run_now(all_stocks)
        assert (stock.price, stock.pack) == (500, 8)
        state = wallet.database.run_now(usable)
        today, _ = own_day(int(time.time()), state.refill_second)
        opens = (today + 1) * DAY_SECONDS + state.refill_second
        (errand,) = all_errands(replace(wallet, clock=lambda: opens))
        assert errand.kind == "refill" and errand.due_at < opens + REFILL_WINDOW_SECONDS
    finally:
        wallet.close()


def test_first_anonymous_purchase_in_one_run_says_what_it_gives_away(market: RealMarket) -> None:
    """Words, tokens, the purchase, in plain words."""
    home = market.home / "first-now"
    home.mkdir()
    market.account(home, "first-now")
    child = first_purchase(home, "--now")
    child.expect("knows that it is the same person")
    child.expect("You have no token of 5.00")
    child.expect(r"Withdraw 8 tokens of 5.00\? \(y/n\) ")
    child.sendline("y")
    child.expect("Pay to deliver: 5.00, with a token")
    child.expect(r"Do you want to pay\? \(y/n\) ")
    child.sendline("y")
    child.expect("Saved to ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (home / "june.txt").read_text() == "The stars of June.\n"
    assert "60.00" in market.customer(home, "balance").out
