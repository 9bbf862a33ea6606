"""Balances of accounts, read from the books."""

from tests.support.broker_market import Market
from veilmart.broker.accounts.customers import find_customer


def balance(market: Market, name: str) -> int:
    found = market.run(find_customer, name)
    assert found is not None
    return found.balance
