"""Vouchers issued to a market of the tests."""

import os

from tests.support.broker_market import Market
from veilmart.broker.accounts import vouchers


def issue(market: Market, count: int = 1, value: int = 2000) -> list[str]:
    issued = market.run(vouchers.issue_vouchers, count, value, market.clock(), os.urandom)
    made: list[str] = issued.codes
    return made
