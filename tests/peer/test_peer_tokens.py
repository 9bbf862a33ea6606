"""The peer withdraws, spends, deposits and recovers tokens at the real broker (page 11)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .anonymous import anonymous_session, buy_with_token, fresh_order_key, stock
from .blind import TokenKey
from .client import BrokerSession, Http, Tunnel
from .descriptors import Link, read_link
from .goods import fetch_catalogue
from .notation import Refused
from .purchase import Agreed, Bought, Order, Status, operation, select, sign_action
from .recovery import fetch_goods, used_order_keys
from .running_market import FILES, PASSWORD, START_SECONDS, Market, veilmart
from .suites import suite_of
from .tokens import (
    EPOCH_SECONDS,
    Account,
    Anonymous,
    issuing_key,
    listed_keys,
    order_key_prefix,
    published,
    solvency,
    spent_prefix,
    token_payment,
)

PRICE = 200  # of the shelf Pages
SUITE = suite_of(1)


@dataclass(frozen=True, repr=False)
class Customer:
    """Logged in, with money and a seed."""

    http: Http
    session: BrokerSession
    account: Account
    key: TokenKey
    seed: bytes
    link: Link
    now: int

    def withdraw(self, count: int, first: int = 0) -> list[bytes]:
        """Tokens first ... of the account."""
        return self.account.withdraw(self.key, first, count)[0]

    def buy(self, token: bytes, title: str, out: Path) -> Bought:
        """On another connection of the same kind."""
        how = type(self.http)
        return buy_with_token(self.link, SUITE, self.seed, token, title, out, self.now, how)


@contextmanager
def customer(
    market: Market, transport: type[Http], name: str, kind: str = "register"
) -> Iterator[Customer]:
    """A customer with 100.00."""
    name = f"{name} of {transport.__name__}"
    now = int(time.time())
    link = read_link(market.link)
    seed = sha256(name.encode()).digest()
    with closing(transport(link.host, link.port)) as http:
        session = BrokerSession(http, SUITE, link.broker, now)
        session.start(kind, name, PASSWORD)
        if kind == "register":
            veilmart("broker", "credit", name, "100", "--home", market.broker_home)
        key = issuing_key(http, session.broker, PRICE, now)
        yield Customer(http, session, Account(session, seed, name), key, seed, link, now)


@dataclass(frozen=True, repr=False)
class Offered:
    """An offer in an anonymous tunnel, and what pays for it."""

    http: Http
    session: BrokerSession
    tunnel: Tunnel
    agreed: Agreed
    anonymous: Anonymous

    def act(self, kind: str) -> str:
        """An action of the order key; the state afterwards."""
        order = self.agreed.order
        message = {
            "kind": kind,
            "operation": operation(order, kind),
            "order": order,
            "signature": sign_action(self.agreed.order_key, order, kind),
        }
        return self.session.ask(message, 1, Status, 1).state


@contextmanager
def offered(buyer: Customer, title: str = "One Page.txt") -> Iterator[Offered]:
    """Steps 1 to 5 without a login."""
    with anonymous_session(buyer.link, SUITE, buyer.now, type(buyer.http)) as (http, session):
        number = session.start_anonymous().request_number
        tunnel = Tunnel(session, session.merchant(buyer.link.merchant, buyer.now), number)
        [product] = [one for one in fetch_catalogue(tunnel).products if one.title == title]
        key = fresh_order_key(http, buyer.seed)
        agreed = select(tunnel, session, product, buyer.now, key)
        yield Offered(http, session, tunnel, agreed, Anonymous(session, buyer.seed))


def refused(code: int) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda fault: fault.code == code)


@pytest.mark.parametrize("suite", [1, 2])
def test_anonymous_purchase(market: Market, tmp_path: Path, suite: int) -> None:
    """By the command line; the second time with a token that the seed has left over.

    One over streams and one by POST, in each suite.
    """
    name = f"unseen {suite}"
    assert market.peer("--username", name, "--register").code == 0
    veilmart("broker", "credit", name, "6", "--home", market.broker_home)
    seed_file = tmp_path / "seed"
    seed_file.write_text(sha256(name.encode()).hexdigest())
    common = ("--username", name, "--suite", str(suite), "--seed-file", seed_file)
    for title, how in (("Some Pages.txt", ("--stream",)), ("One Page.txt", ())):
        done = market.peer(*common, "--product", title, "--out", tmp_path, *how)
        assert done.code == 0, done.err
        assert "(settled)" in done.out
        assert (tmp_path / title).read_bytes() == FILES[title]
        veilmart("customer", "receipt", "verify", tmp_path / f"{title}.receipt")


def test_a_withdrawal_asked_for_again(market: Market, transport: type[Http]) -> None:
    with customer(market, transport, "again") as one:
        tokens, balance = one.account.withdraw(one.key, 0, 5)
        assert balance == 10_000 - 5 * PRICE
        assert one.account.withdraw(one.key, 0, 5)[0] == tokens
        assert len(set(tokens)) == 5
        with refused(4112):
            one.account.withdraw(one.key, 0, 4)
        _, balance = one.account.withdraw(one.key, 5, 32)
        assert balance == 10_000 - 37 * PRICE
        with refused(4108):
            one.account.withdraw(one.key, 37, 32)


def test_recovery_from_the_seed(market: Market, transport: type[Http], tmp_path: Path) -> None:
    with customer(market, transport, "restored") as one:
        tokens = one.withdraw(3) + one.withdraw(2, first=3)
        title = "One Page.txt"
        one.buy(tokens[1], title, tmp_path)
        one.account.deposit(tokens[4])
        with customer(market, transport, "restored", "login") as again:
            found = stock(again.http, again.session, again.account, PRICE, one.now)
            assert sorted(found.tokens) == sorted([tokens[0], *tokens[2:4]])
            assert found.next_counter == 5
            with refused(4151):
                one.withdraw(1, first=5)
            assert len(again.withdraw(1, first=5)) == 1


def test_goods_from_the_seed(market: Market, transport: type[Http], tmp_path: Path) -> None:
    """A fresh machine finds the order keys, the orders and what was bought."""
    titles = ("Some Pages.txt", "One Page.txt")
    with customer(market, transport, "collector") as one:
        tokens = one.withdraw(2)
        for title, token in zip(titles, tokens, strict=True):
            bought = one.buy(token, title, tmp_path)
            bought.path.unlink()
        keys = used_order_keys(one.http, one.seed)
        assert len(keys) == 2
        for title, key in zip(titles, keys, strict=True):
            path = fetch_settled(one, key, tmp_path)
            assert (path.name, path.read_bytes()) == (title, FILES[title])
        assert used_order_keys(one.http, bytes(32)) == []


def fetch_settled(one: Customer, key: Ed25519PrivateKey, out: Path) -> Path:
    """The merchant serves an old order when the broker's report of it has arrived (7.1)."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return fetch_goods(one.link, SUITE, one.seed, key, out, one.now, type(one.http))
        except Refused as fault:
            assert fault.code == 4145 and time.monotonic() < end, fault
        time.sleep(0.2)


def test_deposit(market: Market, transport: type[Http]) -> None:
    with (
        customer(market, transport, "depositor") as one,
        customer(market, transport, "other depositor") as other,
    ):
        tokens = one.withdraw(2)
        given = one.account.deposit(tokens[0])
        assert (given.value, given.balance) == (PRICE, 10_000 - PRICE)
        assert one.account.deposit(tokens[0]) == given
        with refused(4152):
            other.account.deposit(tokens[0])
        assert spent_prefix(tokens[0]) in published(one.http, f"spent/{one.key.id.hex()}")
        with offered(one) as order, refused(4152):
            order.anonymous.spend(order.agreed, tokens[0], one.key)


def test_one_token_for_two_orders(market: Market, transport: type[Http]) -> None:
    with customer(market, transport, "doubler") as one:
        [token] = one.withdraw(1)
        with offered(one) as first:
            said = first.anonymous.spend(first.agreed, token, one.key)
            assert first.anonymous.spend(first.agreed, token, one.key) == said
            prefix = order_key_prefix(first.agreed.order_key)
            assert prefix in published(first.http, "order-keys")
            with offered(one) as second, refused(4152):
                second.anonymous.spend(second.agreed, token, one.key)
        with refused(4152):
            one.account.deposit(token)


def test_refund_comes_as_a_token(market: Market, transport: type[Http], tmp_path: Path) -> None:
    with customer(market, transport, "refunded") as one:
        [token] = one.withdraw(1)
        with offered(one) as order:
            pay = token_payment(order.anonymous, token, one.key)
            pay(Order(order.session, order.tunnel, order.agreed), order.agreed)
            key, name = order.agreed.order_key, order.agreed.order
            with refused(4157):
                order.anonymous.refund(order.http, key, name)
            assert order.act("cancel") == "refunded"
        with anonymous_session(one.link, SUITE, one.now, transport) as (http, session):
            later = Anonymous(session, one.seed)
            known = later.recover(key)
            assert (known.order, known.state, known.amount) == (name, "refunded", PRICE)
            back = later.refund(http, key, name)
            assert later.refund(http, key, name) == back != token
        title = "One Page.txt"
        bought = one.buy(back, title, tmp_path)
        assert bought.path.read_bytes() == FILES[title]
        assert bought.first_came


def test_a_token_that_comes_too_late_is_taken_and_answered_with_another(
    market: Market, transport: type[Http]
) -> None:
    """The broker knows no invoice for this order: that is how an old one looks (11.5, step 6)."""
    with customer(market, transport, "late") as one, offered(one) as order:
        [token] = one.withdraw(1)
        gone = replace(order.agreed, order=sha256(transport.__name__.encode()).digest())
        said = order.anonymous.spend(gone, token, one.key)
        assert said.receipt == b""
        assert order.anonymous.spend(gone, token, one.key) == said
        back = order.anonymous.refund_token(gone.order_key, one.key, said.refund)
        known = order.anonymous.recover(gone.order_key)
        assert (known.order, known.state, known.invoice) == (gone.order, "refunded", b"")
        with refused(4152):
            order.anonymous.spend(order.agreed, token, one.key)
        with refused(4152):
            one.account.deposit(token)
        assert one.account.deposit(back).balance == 10_000


def test_solvency(market: Market, transport: type[Http]) -> None:
    """Every line adds up. Asked once: the broker counts once a minute at most."""
    with customer(market, transport, "reckoner") as one:
        tokens = one.withdraw(3)
        one.account.deposit(tokens[0])
        with offered(one) as order:
            assert order.anonymous.spend(order.agreed, tokens[1], one.key).receipt
        lines = solvency(one.http).keys
        [key] = [line for line in lines if line.id == one.key.id]
        assert (key.price, key.epoch) == (PRICE, one.now // EPOCH_SECONDS)
        assert key.withdrawn >= 3
        assert min(key.returned, key.redeemed, key.outstanding) >= 1
        listed = {(entry.key, entry.price) for entry in listed_keys(one.session.broker)}
        assert listed <= {(line.id, line.price) for line in lines}


def test_changed_tokens(market: Market, transport: type[Http]) -> None:
    with customer(market, transport, "forger") as one, offered(one) as order:
        [token] = one.withdraw(1)
        plus = int.from_bytes(token[98:], "big") + one.key.modulus
        wrong = {
            "nonce": token[:5] + bytes([token[5] ^ 1]) + token[6:],
            "challenge": token[:40] + bytes([token[40] ^ 1]) + token[41:],
            "signature": token[:-1] + bytes([token[-1] ^ 1]),
            "zero": token[:98] + bytes(256),
            "n": token[:98] + one.key.modulus.to_bytes(256, "big"),
            "s + n": token[:98] + (plus % 2**2048).to_bytes(256, "big"),
        }
        for changed in wrong.values():
            with refused(4154):
                order.anonymous.spend(order.agreed, changed, one.key)
            with refused(4154):
                one.account.deposit(changed)
        unknown = token[:66] + bytes(32) + token[98:]
        with refused(4150):
            order.anonymous.spend(order.agreed, unknown, one.key)
        for length in (0, 353, 355):
            with refused(2102):
                one.account.deposit((token + token)[:length])
        assert order.anonymous.spend(order.agreed, token, one.key).receipt
