"""An export reads beside the server and does not hold its table in memory."""

import csv
import tracemalloc
from pathlib import Path

import pytest
from sqlalchemy import insert

from tests.broker.cli.test_commands import run
from veilmart.broker.home import open_home
from veilmart.broker.schema import tables

ROWS = 30_000
MEMORY_MAX_BYTES = 8 * 1024 * 1024


def fill(home: Path) -> None:
    with open_home(home) as opened:
        opened.database.run_now(
            lambda conn: (
                conn.execute(
                    insert(tables.transactions),
                    [
                        {"id": n, "kind": "credit", "reference": bytes(32), "at": n}
                        for n in range(1, ROWS + 1)
                    ],
                ).rowcount
            )
        )
        opened.database.run_now(
            lambda conn: (
                conn.execute(
                    insert(tables.postings),
                    [{"entry": n, "account": 1, "amount": 1} for n in range(1, ROWS + 1)],
                ).rowcount
            )
        )
        opened.database.run_now(
            lambda conn: (
                conn.execute(
                    insert(tables.accounts),
                    [{"kind": "customer", "balance": 0} for _ in range(ROWS)],
                ).rowcount
            )
        )


@pytest.mark.parametrize("kind", ["postings", "accounts"])
def test_memory_of_an_export_does_not_grow_with_its_table(
    home: Path, tmp_path: Path, kind: str
) -> None:
    fill(home)
    target = tmp_path / f"{kind}.csv"
    run("export", kind, str(tmp_path / "warm-up.csv"), home=home)
    tracemalloc.start()
    try:
        assert run("export", kind, str(target), home=home) == 0
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_MAX_BYTES
    with target.open() as stream:
        assert sum(1 for _row in csv.reader(stream)) > ROWS


def test_an_export_waits_for_no_writer_and_keeps_none_waiting(home: Path, tmp_path: Path) -> None:
    fill(home)
    with open_home(home) as opened:
        codes: list[int] = []

        def export_inside(conn: object) -> None:
            """While a transaction holds the database."""
            codes.append(run("export", "postings", str(tmp_path / "beside.csv"), home=home))

        opened.database.run_now(export_inside)
    assert codes == [0]
