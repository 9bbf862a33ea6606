"""A merchant's exports do not hold their tables in memory."""

from pathlib import Path

from sqlalchemy import Connection, update

from tests.support.many_rows import multiply
from tests.support.memory import peak_of
from tests.support.scripted_merchant import Stall
from tests.support.selling_codes import ordered
from tests.support.statements import recorded, sorts
from veilmart.merchant.back_office.exports import KINDS
from veilmart.merchant.cli.back_office import _write
from veilmart.merchant.schema.tables import orders, products
from veilmart.terminal.console import Terminal

GROWTH_MAX_BYTES = 3 * 1024 * 1024
"""Of the buffer of 256 Ki characters; 20,000 rows in memory would take 10 MiB at least."""


def more(connection: Connection, rows: int) -> None:
    """Transaction: that many more sales and products."""
    connection.execute(update(orders).values(state="settled", paid_at=1, ended_at=2))
    multiply(connection, orders, rows, order="randomblob(32)", paid_at="n")
    multiply(connection, products, rows, id="randomblob(16)", file_name="hex(randomblob(16))")


def test_memory_of_exports_does_not_grow_with_their_tables(stall: Stall, tmp_path: Path) -> None:
    ordered(stall, "alpha.txt")
    database = stall.market.database

    def peak(kind: str, name: str) -> int:
        file = tmp_path / name
        return peak_of(lambda: database.read_long(_write, kind, file, Terminal(json=True)))

    database.run_now(more, 1_000)
    peak("sales", "warm-up.csv")
    before = {kind: peak(kind, f"few-{kind}.csv") for kind in KINDS}
    database.run_now(more, 20_000)
    growth = {kind: peak(kind, f"many-{kind}.csv") - before[kind] for kind in KINDS}
    assert {kind: grown for kind, grown in growth.items() if grown > GROWTH_MAX_BYTES} == {}
    for kind in KINDS:
        assert (tmp_path / f"many-{kind}.csv").read_bytes().count(b"\n") > 20_000


def test_exports_are_read_in_the_order_of_an_index(stall: Stall, tmp_path: Path) -> None:
    """SQLite's own memory, which the test before cannot see."""
    ordered(stall, "alpha.txt")
    database = stall.market.database
    with recorded(readings=True) as statements:
        for kind in KINDS:
            database.read_long(_write, kind, tmp_path / kind, Terminal(json=True))
    assert any("ORDER BY" in sql for sql in statements)
    assert database.run_now(sorts, statements) == {}
