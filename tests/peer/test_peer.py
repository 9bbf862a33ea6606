"""The peer buys from the real programs, run as processes: one product in each suite."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from .client import BrokerSession, Http, Relayed
from .descriptors import Link, accept, read_link
from .notation import PeerError, Refused
from .running_market import FILES, PASSWORD, START_SECONDS, Market, put_on_sale, veilmart
from .suites import suite_of


def buy(market: Market, out: Path, user: str, file_name: str, suite: int, *how: str) -> Path:
    """Make an account, put money on it, buy with the peer; the file."""
    registered = market.peer("--username", user, "--register", "--suite", str(suite), *how)
    assert registered.code == 0, registered.err
    veilmart("broker", "credit", user, "100", "--home", market.broker_home)
    choice = ("--product", file_name, "--suite", str(suite), "--out", out)
    done = market.peer("--username", user, *choice, *how)
    assert done.code == 0, done.err
    assert "(settled); first segment: with the receipt" in done.out
    return out / file_name


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("file_name", ["Some Pages.txt", "Large Picture.bin"])
def test_purchase(market: Market, tmp_path: Path, file_name: str, suite: int) -> None:
    path = buy(market, tmp_path, f"{file_name[:4]} reader {suite}", file_name, suite)
    assert path.read_bytes() == FILES[file_name]


@pytest.mark.parametrize("suite", [1, 2])
def test_purchase_over_a_stream(market: Market, tmp_path: Path, suite: int) -> None:
    user = f"streaming {suite}"
    path = buy(market, tmp_path, user, "Large Picture.bin", suite, "--stream")
    assert path.read_bytes() == FILES["Large Picture.bin"]


def test_receipt(market: Market, tmp_path: Path) -> None:
    """The peer's receipt file (9.5) verifies with the real program, and not when it is changed."""
    path = buy(market, tmp_path, "keeper", "Some Pages.txt", 1)
    receipt = path.with_name(f"{path.name}.receipt")
    veilmart("customer", "receipt", "verify", receipt)
    content = receipt.read_bytes()
    receipt.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(AssertionError, match="1123"):
        veilmart("customer", "receipt", "verify", receipt)


def test_wrong_password(market: Market) -> None:
    market.password_file.with_name("other").write_text("not the password")
    wrong = replace(market, password_file=market.password_file.with_name("other"))
    assert market.peer("--username", "somebody", "--register").code == 0
    done = wrong.peer("--username", "somebody")
    assert done.code == 1 and "4101" in done.err


def test_no_money(market: Market, tmp_path: Path) -> None:
    assert market.peer("--username", "poor", "--register").code == 0
    done = market.peer("--username", "poor", "--product", "One Page.txt", "--out", tmp_path)
    assert done.code == 1 and "4108" in done.err
    assert not list(tmp_path.iterdir())


def test_other_broker_fingerprint(market: Market) -> None:
    """A link with the two fingerprints exchanged is refused before anything is sent."""
    start, broker, merchant = market.link.rsplit("/", 2)
    other = replace(market, link=f"{start}/{merchant}/{broker}")
    done = other.peer("--username", "nobody", "--register")
    assert done.code == 1 and "fingerprint" in done.err


@contextmanager
def session_of(market: Market, user: str, now: int) -> Iterator[tuple[Link, BrokerSession]]:
    """A session in this process, for what the command line does not show."""
    link = read_link(market.link)
    with closing(Http(link.host, link.port)) as http:
        session = BrokerSession(http, suite_of(1), link.broker, now)
        session.start("register", user, PASSWORD)
        yield link, session


def test_refusal_is_sealed(market: Market) -> None:
    """A request that breaks a rule is refused inside the session, which goes on (4.4)."""
    now = int(time.time())
    message = {"kind": "relay", "request_number": bytes(16), "record": bytes(1096)}
    with session_of(market, "stranger", now) as (link, session):
        with pytest.raises(Refused) as refused:
            session.ask(message, 2, Relayed, 2)
        assert refused.value.code == 4105
        assert session.merchant(link.merchant, now).fingerprint == link.merchant


def test_descriptor_chain(market: Market, tmp_path: Path) -> None:
    """A new shelf makes a new descriptor; the peer takes it after the old one, not before it."""
    now = int(time.time())
    with session_of(market, "watcher", now) as (link, session):
        first = session.merchant(link.merchant, now)
        shelf = ("New", "--price", "1.00", "--size", "2K", "--home", market.merchant_home)
        veilmart("merchant", "shelf", "create", *shelf)
        put_on_sale(tmp_path, market.merchant_home, "New", {"a.txt": b"a", "b.txt": b"b"})
        end = time.monotonic() + START_SECONDS
        while (second := session.merchant(link.merchant, now)).hash == first.hash:
            assert time.monotonic() < end, "no new descriptor"
            time.sleep(0.2)
    assert second.body.serial > first.body.serial
    accept(second.signed, link.merchant, "merchant", now, first)
    with pytest.raises(PeerError, match="serial"):
        accept(first.signed, link.merchant, "merchant", now, second)
