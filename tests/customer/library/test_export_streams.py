"""The export of a wallet does not hold its orders in memory."""

from pathlib import Path

from tests.customer.purchase.buying import buy
from tests.support.many_rows import multiply
from tests.support.memory import peak_of
from tests.support.scripted_customer import Market
from tests.support.statements import recorded, sorts
from veilmart.customer.cli.library import _write_orders
from veilmart.customer.schema.tables import orders
from veilmart.terminal.console import Terminal

GROWTH_MAX_BYTES = 3 * 1024 * 1024
"""Of the buffer of 256 Ki characters; 20,000 rows in memory would take 10 MiB at least."""


def test_memory_of_the_export_does_not_grow_with_the_library(
    market: Market, tmp_path: Path
) -> None:
    buy(market, tmp_path)
    database = market.wallet.database

    def peak(name: str) -> int:
        file = tmp_path / name
        return peak_of(lambda: database.read_long(_write_orders, file, Terminal(json=True)))

    database.run_now(multiply, orders, 300, order="randomblob(32)", made_at="n")
    peak("warm-up.csv")
    before = peak("few.csv")
    database.run_now(multiply, orders, 2_000, order="randomblob(32)", made_at="n")
    assert peak("many.csv") - before < GROWTH_MAX_BYTES
    assert (tmp_path / "many.csv").read_bytes().count(b"\n") > 2_300


def test_nothing_is_sorted(market: Market, tmp_path: Path) -> None:
    """SQLite's own memory, which the test before cannot see."""
    buy(market, tmp_path)
    database = market.wallet.database
    with recorded(readings=True) as statements:
        database.read_long(_write_orders, tmp_path / "all.csv", Terminal(json=True))
    assert statements
    assert database.run_now(sorts, statements) == {}
