"""First steps on a terminal: nothing prepared, wrong passwords, taken names, vouchers."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.real_market import RealMarket, real_market, wait_for
from tests.support.screen import Screen
from tests.support.waiting import wait_until
from veilmart.errors import InvitationInvalid

SECONDS = 90


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with real_market(tmp_path_factory.mktemp("market")) as running:
        yield running


def terminal(home: Path, *words: str) -> Screen:
    """`veilmart customer WORDS` on a terminal of 80 columns."""
    env = {**os.environ, "VEILMART_HOME": str(home), "TERM": "xterm"}
    return Screen("customer", *words, env=env, cwd=home, timeout=SECONDS)


def ended(screen: Screen) -> int | None:
    screen.expect(pexpect.EOF)
    screen.close()
    return screen.exitstatus


def test_shop_with_a_link_on_a_fresh_home_offers_to_register(
    market: RealMarket, tmp_path: Path
) -> None:
    screen = terminal(tmp_path, "shop", market.link)
    screen.expect_exact("Register or log in? (r/l) ")
    screen.sendline("r")
    screen.expect_exact("Username: ")
    screen.sendline("newcomer")
    screen.expect_exact("A password has 8 to 128 characters")
    screen.expect_exact("Password: ")
    screen.sendline("short")
    screen.expect_exact("A password has 8 to 128 characters")
    screen.expect_exact("Password: ")
    screen.sendline("long enough")
    screen.expect_exact("Repeat it: ")
    screen.sendline("long enought")
    screen.expect_exact("The two passwords differ.")
    for question in ("Password: ", "Repeat it: "):
        screen.expect_exact(question)
        screen.sendline("long enough")
    screen.expect_exact("Registration successful.")
    screen.expect_exact("Enter your selection: ")
    screen.sendline("0")
    assert ended(screen) == 0


def test_a_taken_name_and_a_wrong_password_are_asked_for_again(
    market: RealMarket, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    market.account(first, "olga")
    assert market.customer(second, "join", market.link).code == 0
    screen = terminal(second, "register", "olga")
    for question in ("Password: ", "Repeat it: "):
        screen.expect_exact(question)
        screen.sendline("another one")
    screen.expect_exact("That username cannot be registered.")
    screen.expect_exact("Username: ")
    screen.sendline("olga2")
    screen.expect_exact("Registration successful.")
    assert ended(screen) == 0
    screen = terminal(second, "login", "olga2")
    screen.expect_exact("Password: ")
    screen.sendline("not this one")
    screen.expect_exact("Authentication failed.")
    screen.expect_exact("Username (olga2): ")
    screen.sendline("")
    screen.expect_exact("Password: ")
    screen.sendline("another one")
    screen.expect_exact("Login successful.")
    assert ended(screen) == 0
    screen = terminal(second, "passwd")
    screen.expect_exact("Current password: ")
    screen.sendline("not this one")
    for question in ("New password: ", "Repeat it: "):
        screen.expect_exact(question)
        screen.sendline("a third one")
    screen.expect_exact("That is not the current password.")
    screen.expect_exact("Current password: ")
    screen.sendline("another one")
    screen.expect_exact("The password was changed.")
    assert ended(screen) == 0


@pytest.mark.parametrize("password", ["short", "x" * 129])
def test_what_is_no_password_is_a_wrong_one_and_is_not_sent(
    market: RealMarket, tmp_path: Path, password: str
) -> None:
    assert market.customer(tmp_path, "join", market.link).code == 0
    shop = market.customer(tmp_path, "shop", typed=f"l\nnobody\n{password}\n")
    login = market.customer(tmp_path, "login", "nobody", typed=f"{password}\n")
    for done in (shop, login):
        assert done.code == 3 and "(error 4101)" in done.err
        assert "A password has 8 to 128 characters" in done.err
        assert "incompatible" not in done.err


def test_buy_takes_an_invitation_and_asks_for_one(market: RealMarket, tmp_path: Path) -> None:
    codes = json.loads(market.run("broker", "invitation", "issue", "--count", "2", "--json").out)
    one, two, early = (tmp_path / name for name in ("one", "two", "early"))
    for folder in (one, two, early):
        folder.mkdir()
    assert market.customer(early, "join", market.link).code == 0
    assert market.run("broker", "registration", "invitation").code == 0
    try:
        wait_until(lambda: not registers(market, early))
        link = market.link + "#june.txt"
        typed = "r\ninvited\nlong enough\n"
        done = market.customer(one, "buy", link, "--invitation", codes["codes"][0], typed=typed)
        assert "Registration successful." in done.out, done.err
        screen = terminal(two, "buy", link)
        screen.expect_exact("Register or log in? (r/l) ")
        screen.sendline("r")
        screen.expect_exact("Username: ")
        screen.sendline("uninvited")
        for question in ("Password: ", "Repeat it: "):
            screen.expect_exact(question)
            screen.sendline("long enough")
        screen.expect_exact("Invitation: ")
        screen.sendline(codes["codes"][1])
        screen.expect_exact("Registration successful.")
        ended(screen)
    finally:
        assert market.run("broker", "registration", "open").code == 0
        wait_until(lambda: registers(market, early))


def registers(market: RealMarket, home: Path) -> bool:
    """Whether an account needs no invitation: the broker looks at its settings once a second."""
    name = f"early{time.monotonic_ns()}"
    done = market.customer(home, "register", name, typed="long enough\n")
    assert done.code == 0 or f"(error {InvitationInvalid.code})" in done.err, done.err
    return done.code == 0


def test_buy_without_a_choice_is_no_success(market: RealMarket, tmp_path: Path) -> None:
    done = market.customer(tmp_path, "buy", market.link)
    assert "Enter your selection: " in done.out
    assert done.code == 2 and "(error 1131)" in done.err
    left = market.customer(tmp_path, "buy", market.link, typed="0\n")
    assert left.code == 0


def test_a_repeated_voucher_says_so_and_is_not_counted_again(
    market: RealMarket, tmp_path: Path
) -> None:
    market.account(tmp_path, "thrifty")
    issued = json.loads(market.run("broker", "voucher", "issue", "--value", "7", "--json").out)
    (code,) = issued["codes"]
    first = market.customer(tmp_path, "redeem", typed=code + "\n")
    assert first.out.endswith("7.00 redeemed. Balance: 107.00\n"), first.err
    again = market.customer(tmp_path, "redeem", typed=code + "\n")
    assert again.out.endswith("7.00 already redeemed by you. Balance: 107.00\n"), again.err


def test_the_broker_shows_its_fingerprint_when_it_starts(market: RealMarket) -> None:
    shown = json.loads(market.run("broker", "descriptor", "--json").out)["fingerprint"]
    assert wait_for(market.home / "broker.log", "Fingerprint: ") == shown


def test_a_wrong_passphrase_is_asked_for_again(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "careful")
    secret = tmp_path / "passphrase"
    secret.write_text("quite long enough\n")
    made = market.customer(tmp_path, "wallet", "create", "--passphrase-file", str(secret))
    assert made.code == 0, made.err
    screen = terminal(tmp_path, "wallet", "show-seed")
    screen.expect_exact("Passphrase: ")
    screen.sendline("not this one")
    screen.expect_exact("That is not this wallet's passphrase.")
    screen.expect_exact("Passphrase: ")
    screen.sendline("quite long enough")
    assert ended(screen) == 0


def test_solvency_is_fetched_and_adds_up(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "auditor")
    assert market.customer(tmp_path, "wallet", "create", "--no-passphrase").code == 0
    assert market.customer(tmp_path, "tokens", "withdraw", "5.00", "--count", "3").code == 0
    said = json.loads(market.customer(tmp_path, "solvency", "--json").out)
    assert said["holds"] and not said["missing"]
    assert [key["outstanding"] for key in said["keys"] if key["withdrawn"]] == [3]
    done = market.customer(tmp_path, "solvency")
    assert done.code == 0
    assert "Every token is accounted for; 15.00 are open." in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(market: RealMarket, tmp_path: Path, shell: str) -> None:
    file = tmp_path / f"veilmart.{shell}"
    done = market.run("--install-completion", "--shell", shell, "--output", str(file))
    assert done.code == 0, done.err
    script = file.read_text()
    for word in ("restore-orders", "invitation", "price-points"):
        assert word in script
    full = market.run("--install-completion", "--shell", shell, "--output", "/dev/full")
    assert full.code == 7 and "money" not in full.err
