"""Pages 11.4 to 11.8 put together: a stock of tokens, and a purchase without a login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .blind import TokenKey
from .client import BrokerSession, Http, Tunnel
from .descriptors import Link
from .goods import fetch_catalogue
from .notation import require
from .purchase import Bought, buy
from .suites import Suite
from .tokens import (
    Account,
    Anonymous,
    fetch_key,
    issuing_key,
    listed_keys,
    order_key,
    order_key_prefix,
    published,
    token_payment,
    unspent,
)

LOOK_PAST = 1024


@dataclass(frozen=True)
class Stock:
    """Unspent tokens of one price, and the counter of the next one under the key that issues."""

    tokens: list[bytes]
    next_counter: int


def stock(http: Http, session: BrokerSession, account: Account, price: int, now: int) -> Stock:
    """What the account has withdrawn and not spent, from its seed alone (11.8)."""
    account.claim()
    issuing = issuing_key(http, session.broker, price, now)
    tokens: list[bytes] = []
    next_counter = 0
    for entry in listed_keys(session.broker):
        if entry.price != price:
            continue
        key = fetch_key(http, entry.key)
        found: list[bytes] = []
        for issue in account.withdrawals(key):
            found += account.withdraw(key, issue.first, issue.count)[0]
            if key == issuing:
                next_counter = issue.first + issue.count
        tokens += unspent(http, key, found)
    return Stock(tokens, next_counter)


@contextmanager
def anonymous_session(
    link: Link, suite: Suite, now: int, transport: type[Http] = Http
) -> Iterator[tuple[Http, BrokerSession]]:
    """A connection of its own, with the broker's descriptor fetched anew."""
    with closing(transport(link.host, link.port)) as http:
        yield http, BrokerSession(http, suite, link.broker, now)


def fresh_order_key(http: Http, seed: bytes) -> Ed25519PrivateKey:
    """The first order key of the seed above all that were used."""
    gone = published(http, "order-keys")
    used = -1
    number = 0
    while number <= used + LOOK_PAST:
        if order_key_prefix(order_key(seed, number)) in gone:
            used = number
        number += 1
    return order_key(seed, used + 1)


def price_of(link: Link, suite: Suite, title: str, now: int, transport: type[Http] = Http) -> int:
    """What the product costs, found out without a login."""
    with anonymous_session(link, suite, now, transport) as (_, session):
        number = session.start_anonymous().request_number
        merchant = session.merchant(link.merchant, now)
        catalogue = fetch_catalogue(Tunnel(session, merchant, number))
        found = [product for product in catalogue.products if product.title == title]
        require(len(found) == 1, f"one product is called {title!r}")
        return merchant.shelf(found[0].shelf).price


def buy_with_token(
    link: Link,
    suite: Suite,
    seed: bytes,
    token: bytes,
    title: str,
    out: Path,
    now: int,
    transport: type[Http] = Http,
) -> Bought:
    """One purchase on a connection of its own, paid with this token (11.5, 11.7)."""
    with anonymous_session(link, suite, now, transport) as (http, session):
        number = session.start_anonymous().request_number
        listed = {entry.key: entry for entry in listed_keys(session.broker)}
        require(token[66:98] in listed, "the token's key is listed here too")
        refund_key: TokenKey = issuing_key(http, session.broker, listed[token[66:98]].price, now)
        merchant = session.merchant(link.merchant, now)
        tunnel = Tunnel(session, merchant, number)
        payment = token_payment(Anonymous(session, seed), token, refund_key)
        key = fresh_order_key(http, seed)
        return buy(session, tunnel, title, out, now, payment, key)
