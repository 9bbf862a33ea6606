"""A broker on a home of its own for each test, and a scripted merchant."""

from tests.broker.several_workers import workers
from tests.support.broker_market import (
    home,
    market,
    merchant_key,
    opened,
    other_key,
    postgres_template,
    served,
    template,
)

__all__ = [
    "home",
    "market",
    "merchant_key",
    "opened",
    "other_key",
    "postgres_template",
    "served",
    "template",
    "workers",
]
