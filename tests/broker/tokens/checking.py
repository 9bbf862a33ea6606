"""The books are in order, and the totals of each token key."""

from tests.support.broker_market import Market
from veilmart.broker.tokens.key_totals import key_totals


def check(market: Market) -> None:
    market.check_books()
    assert all(line.holds for line in market.run(key_totals))
