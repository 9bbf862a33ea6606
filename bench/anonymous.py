"""Complete anonymous purchases per second; the same beside a million tokens spent before."""

import asyncio
import os
from pathlib import Path
from typing import Any

from bench import purchases
from bench.spent_rows import fill
from veilmart.broker.home import open_home, renew_descriptor
from veilmart.terminal.clock import unix_now

DRIVER = "bench.anonymous_driver"
SPENT = 1_000_000
SECONDS = 15.0


def prepare_million(home: Path) -> None:
    with open_home(home) as opened:
        renew_descriptor(opened, unix_now(), os.urandom)
        fill(opened, SPENT)


def rows() -> list[dict[str, Any]]:
    fresh = asyncio.run(purchases.measure(16, 2, SECONDS, DRIVER))
    full = asyncio.run(purchases.measure(16, 2, SECONDS, DRIVER, prepare_million))
    return [
        {
            "name": "anonymous purchases, 16 customers in 2 processes",
            "figure": fresh["per_second"],
            "unit": "/s",
            "reach": 100,
            **fresh,
        },
        {
            "name": "anonymous purchases beside 1,000,000 spent tokens, against none",
            "ratio": round(full["per_second"] / fresh["per_second"], 2),
            "reach": 0.85,
            **full,
        },
    ]
