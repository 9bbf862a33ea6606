"""`merchant reconcile` with real programs, and with a broker that changes its books."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from tests.support.real_market import RealMarket, real_market


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    with real_market(tmp_path_factory.mktemp("market")) as market:
        wallet = tmp_path_factory.mktemp("wallet")
        market.account(wallet, "anna")
        for product in ("june.txt", "july.txt"):
            done = market.customer(wallet, "buy", f"{market.link}#{product}", "--yes")
            assert done.code == 0, done.err
        yield market


def cheat(market: RealMarket, statement: str) -> None:
    with dbapi2.connect(str(market.home / "broker" / "broker.sqlite"), timeout=10) as books:
        books.execute(statement)


def test_it_agrees_then_finds_a_sale_that_is_left_out(market: RealMarket) -> None:
    done = market.run("merchant", "reconcile")
    assert done.code == 0, done.out + done.err
    assert "Your books and the broker's agree." in done.out
    assert "Sold 10.00" in done.out and "balance 10.00" in done.out
    kept = list(Path(market.home / "merchant").glob("statement-*"))
    assert len(kept) == 1 and kept[0].stat().st_mode & 0o077 == 0
    cheat(market, "DELETE FROM reports WHERE sequence = 2")
    cheat(market, "UPDATE merchants SET last_sequence = 1")
    done = market.run("merchant", "reconcile", "--json")
    assert done.code == 5
    told = json.loads(done.out)
    names = {one["name"] for one in told["differences"]}
    # Our own books have it, and so has what the broker signed before.
    assert {"sale-missing", "story-changed"} <= names
    assert told["totals"]["paid_out"] == 0 and told["totals"]["credited"] == 500
