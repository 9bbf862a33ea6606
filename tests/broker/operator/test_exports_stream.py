"""An export reads beside the server and does not hold its table in memory."""

import csv
from pathlib import Path

from tests.broker.called import run
from tests.support.broker_exports import GROWING, fill, more
from tests.support.memory import peak_of
from tests.support.statements import recorded, sorts
from veilmart.broker.home import open_home
from veilmart.broker.operator.exports import KINDS

GROWTH_MAX_BYTES = 3 * 1024 * 1024
"""Of the buffer of 256 Ki characters; 20,000 rows in memory would take 10 MiB at least."""
SORTED = ("token_keys", "merchants", "vouchers")
"""Tables with a row for each key or merchant; of each voucher a few bytes are grouped by batch."""
MEASURED = [*GROWING, "folds", "tokens"]


def rows_of(file: Path) -> int:
    with file.open() as stream:
        return sum(1 for _row in csv.reader(stream))


def test_memory_of_exports_does_not_grow_with_their_tables(home: Path, tmp_path: Path) -> None:
    def peak(kind: str, few_or_many: str) -> int:
        target = tmp_path / f"{few_or_many}-{kind}.csv"
        return peak_of(lambda: run("export", kind, str(target), home=home))

    fill(home, 1_000)
    run("export", "postings", str(tmp_path / "warm-up.csv"), home=home)
    before = {kind: peak(kind, "few") for kind in MEASURED}
    with open_home(home) as opened:
        opened.database.run_now(more, 20_000)
    growth = {kind: peak(kind, "many") - before[kind] for kind in MEASURED}
    assert {kind: grown for kind, grown in growth.items() if grown > GROWTH_MAX_BYTES} == {}
    assert set(MEASURED) == set(KINDS) - {"merchants"}, "of those there are a thousand at most"
    for kind in set(GROWING) - {"vouchers"}:
        assert rows_of(tmp_path / f"many-{kind}.csv") > 20_000


def test_exports_are_read_in_the_order_of_an_index(home: Path, tmp_path: Path) -> None:
    """SQLite's own memory, which the test before cannot see."""
    fill(home, 100)
    with recorded(readings=True) as statements:
        for kind in GROWING:
            run("export", kind, str(tmp_path / f"{kind}.csv"), home=home)
    assert sum("ORDER BY" in sql for sql in statements) >= len(GROWING) - 1
    with open_home(home) as opened:
        sorted_ = opened.database.run_now(sorts, statements)
    assert [sql for sql in sorted_ if not sql.partition("FROM ")[2].startswith(SORTED)] == []


def test_an_export_waits_for_no_writer_and_keeps_none_waiting(home: Path, tmp_path: Path) -> None:
    fill(home, 2_000)
    with open_home(home) as opened:
        codes: list[int] = []

        def export_inside(conn: object) -> None:
            """While a transaction holds the database."""
            codes.append(run("export", "postings", str(tmp_path / "beside.csv"), home=home))

        opened.database.run_now(export_inside)
    assert codes == [0]
