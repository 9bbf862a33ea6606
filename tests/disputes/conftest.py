"""The broker's fixtures, and an order's way to the dispute."""

import pytest

from tests.disputes.court import Court
from tests.support.broker_market import (
    Market,
    home,
    market,
    merchant_key,
    opened,
    other_key,
    postgres_template,
    template,
)

__all__ = ["home", "market", "merchant_key", "opened", "other_key", "postgres_template", "template"]


@pytest.fixture
def court(market: Market) -> Court:
    return Court(market)
