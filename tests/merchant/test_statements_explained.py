"""No transaction of a merchant that serves reads orders or codes from end to end, or signs."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cryptography import in_transactions
from tests.support.engines import both_engines
from tests.support.scripted_merchant import BROKER_URL, NOW, FakeBroker, Stall
from tests.support.selling_codes import ordered, report, shop_with
from tests.support.statements import recorded, scans
from veilmart.crypto import identity
from veilmart.limits import PAY_WITHIN_SECONDS
from veilmart.merchant import home as merchant_home
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.merchant.sales.orders import FORGET_UNPAID_SECONDS
from veilmart.merchant.server.running import sweep, sweep_for_all, watch

GROWING = {"orders", "codes"}


@pytest.fixture
def served(
    tmp_path: Path,
    database_url: str | None,
    broker: FakeBroker,
    merchant_key: identity.IdentityKey,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stall]:
    monkeypatch.setattr(merchant_home.identity, "generate_identity", lambda: merchant_key)  # type: ignore[attr-defined]
    path, goods = tmp_path / "merchant", tmp_path / "goods"
    create_merchant(path, "shop", BROKER_URL, broker.known, database=database_url)
    goods.mkdir()
    (goods / "alpha.txt").write_bytes(b"the first product\n")
    (goods / "beta.txt").write_bytes(b"another\n")
    with open_merchant(path) as market:
        yield shop_with(
            Stall.open(market, broker, goods, NOW, os.urandom), tmp_path / "codes", one=9, two=9
        )


@both_engines
def test_no_transaction_reads_a_growing_table_from_end_to_end(served: Stall) -> None:
    with recorded() as statements:
        _sell(served)
    assert len(statements) > 15
    found = {}
    for statement in statements.values():
        scanned = served.market.database.run_now(scans, statement) & GROWING
        if scanned:
            found[statement[0]] = scanned
    assert found == {}


@both_engines
def test_a_merchant_signs_and_verifies_outside_of_its_transactions(served: Stall) -> None:
    serial = served.state.shop.newest.serial
    with in_transactions() as found:
        _sell(served)
    assert served.state.shop.newest.serial > serial, "the descriptor was renewed meanwhile"
    assert found == set()


def _sell(stall: Stall) -> None:
    """Offers of both kinds of goods; settled, refunded, returned, left alone until forgotten."""
    names = ["alpha.txt", "alpha.txt", "beta.txt", "one", "two"]
    orders = [ordered(stall, title) for title in names]
    report(stall, 400, (1, orders[0], "settled"), (2, orders[3], "settled"))
    report(stall, 400, (3, orders[1], "refunded"), (4, orders[0], "returned"))

    async def passes(seconds: int) -> None:
        stall.now += seconds
        await sweep_for_all(stall.market, stall.state)
        await sweep(stall.market, stall.state)
        await watch(stall.market, stall.state)

    for seconds in (60, PAY_WITHIN_SECONDS + 60, FORGET_UNPAID_SECONDS + 60, 6 * 24 * 3600):
        asyncio.run(passes(seconds))
