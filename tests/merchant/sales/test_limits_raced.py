"""The merchant's limits on PostgreSQL, raced for by transactions that each saw room for one."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.meeting import at_once, meeting, refused
from tests.support.scripted_merchant import BROKER_URL, NOW, FakeBroker, Stall
from tests.support.selling_codes import shop_with
from veilmart.crypto import identity
from veilmart.errors import ProductOut
from veilmart.merchant import home as market_home
from veilmart.merchant.goods import shelves
from veilmart.merchant.goods.shelves import create_shelf, load_shelves
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.merchant.sales.codes import stock
from veilmart.protocol.merchant_messages import Offered


@pytest.fixture
def on_postgres(
    tmp_path: Path,
    broker: FakeBroker,
    merchant_key: identity.IdentityKey,
    postgres: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stall]:
    monkeypatch.setattr(market_home.identity, "generate_identity", lambda: merchant_key)  # type: ignore[attr-defined]
    create_merchant(tmp_path / "merchant", "shop", BROKER_URL, broker.known, database=postgres)
    goods = tmp_path / "goods"
    goods.mkdir()
    for name in ("alpha", "beta"):
        (goods / f"{name}.txt").write_text(name)
    with open_merchant(tmp_path / "merchant") as market:
        yield Stall.open(market, broker, goods, NOW, os.urandom)


def test_two_orders_for_the_last_code(on_postgres: Stall, tmp_path: Path) -> None:
    stall = shop_with(on_postgres, tmp_path / "codes", sun=1, moon=1)
    asking = []
    for _ in range(2):
        link = stall.link()
        customer = stall.customer(link)
        asking.append((link, customer, stall.selection(customer, "sun")))

    def order(asked: tuple[Any, Any, Any]) -> Any:
        try:
            return stall.tell(*asked, Offered)
        except Exception as fault:
            return fault

    with meeting(2), ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(order, asking))
    assert [type(o) for o in outcomes if isinstance(o, Exception)] == [ProductOut]
    counts = stall.market.database.run_now(stock).values()
    assert sorted((line.free, line.reserved) for line in counts) == [(0, 1), (1, 0)]


def test_the_last_free_place_for_a_shelf(
    on_postgres: Stall, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = on_postgres.market.database
    most = len(database.run_now(load_shelves)) + 1
    monkeypatch.setattr(shelves, "SHELVES_MAX", most)
    calls = [(create_shelf, (f"shelf {n}", 500, 1024 * n)) for n in (4, 8)]
    assert refused(at_once(database, *calls)) == 1
    assert len(database.run_now(load_shelves)) == most
