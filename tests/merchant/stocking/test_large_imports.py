"""An import's work grows with its files, not their square, in transactions that are short."""

import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.scripted_merchant import NOW, Stall
from veilmart.errors import AloneOnShelf, BadArgument
from veilmart.limits import CODES_AT_ONCE, PRODUCTS_AT_ONCE
from veilmart.merchant.goods.products import load_products
from veilmart.merchant.sales.codes import code_count, restock
from veilmart.merchant.stocking import importing
from veilmart.merchant.stocking.comparing import Comparison, compare
from veilmart.merchant.stocking.foreseeing import foresee_import
from veilmart.merchant.stocking.importing import import_folder
from veilmart.merchant.stocking.restocking import restock_in_parts
from veilmart.merchant.stocking.shop_folder import read_folder

ROWS_A_FILE = 40


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """What is counted meanwhile: statements, and rows of products that were made into objects."""
    counts: Counter[str] = Counter()

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        counts["statements"] += 1
        counts["whole shelves"] += "ORDER BY products.shelf" in statement

    sa.event.listen(sa.Engine, "after_cursor_execute", executed)
    yield counts
    sa.event.remove(sa.Engine, "after_cursor_execute", executed)


def compared(stall: Stall, folder: Path, files: int) -> Comparison:
    folder.mkdir(exist_ok=True)
    for number in range(files):
        (folder / f"{folder.name}-{number:04}.txt").write_bytes(os.urandom(300 + number % 90))
    return stall.market.database.read_now(compare, read_folder(folder, 500, 2), 2)


def carried_out(stall: Stall, comparison: Comparison, **how: Any) -> list[Any]:
    options: dict[str, Any] = {"prune": False, "alone": False, "now": NOW} | how
    return list(import_folder(stall.market, comparison, random=os.urandom, **options))


def test_statements_grow_with_the_files_and_the_catalogue_is_not_read_for_each(
    stall: Stall, tmp_path: Path
) -> None:
    found = {}
    for files in (40, 160):
        with statements() as counts:
            carried_out(stall, compared(stall, tmp_path / f"of{files}", files))
        found[files] = counts
    assert found[160]["statements"] < 4.5 * found[40]["statements"]
    assert found[160]["statements"] < 12 * 160
    assert found[160]["whole shelves"] == found[40]["whole shelves"] <= 4


def test_no_transaction_of_an_import_puts_more_than_a_few_products_on_sale(
    stall: Stall, tmp_path: Path
) -> None:
    """Another program can write between them, and never sees one product alone on a new shelf."""
    comparison = compared(stall, tmp_path / "many", 3 * PRODUCTS_AT_ONCE + 1)
    before = {p.file_name for p in stall.market.database.run_now(load_products)}
    sizes, seen = [], before
    for _ in import_folder(
        stall.market, comparison, prune=False, alone=False, now=NOW, random=os.urandom
    ):
        standing = stall.market.database.run_now(load_products)
        names = {p.file_name for p in standing}
        if names != seen:
            sizes.append(len(names - seen))
            seen = names
        on_shelf = Counter(p.shelf for p in standing)
        assert 1 not in on_shelf.values()
    assert sizes == [PRODUCTS_AT_ONCE, PRODUCTS_AT_ONCE, PRODUCTS_AT_ONCE + 1]


def test_an_interrupted_import_is_continued_by_importing_again(
    stall: Stall, tmp_path: Path
) -> None:
    files = 2 * PRODUCTS_AT_ONCE
    comparison = compared(stall, tmp_path / "many", files)
    steps: Any = import_folder(
        stall.market, comparison, prune=False, alone=False, now=NOW, random=os.urandom
    )
    for _ in range(PRODUCTS_AT_ONCE + 3):
        next(steps)
    steps.close()
    again = stall.market.database.read_now(compare, read_folder(tmp_path / "many", 500, 2), 2)
    *_, last = carried_out(stall, again)
    assert (last.new, last.same) == (files - PRODUCTS_AT_ONCE, PRODUCTS_AT_ONCE)


def test_long_lists_of_codes_are_added_in_parts(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "codes"
    folder.mkdir()
    count = 2 * CODES_AT_ONCE + 7
    for name in ("a", "b"):
        lines = "".join(f"{name}-{number}\n" for number in range(count))
        (folder / f"{name}.codes").write_text(lines)
    parts: list[int] = []
    add = restock

    def counted(connection: Any, product: Any, lines: list[str], salts: Any) -> Any:
        parts.append(len(lines))
        return add(connection, product, lines, salts)

    monkeypatch.setattr(importing, "restock", counted)
    run = stall.market.database.run_now
    carried_out(stall, run(compare, read_folder(folder, 500, 2), 2))
    assert sorted(parts) == [7, 7] + [CODES_AT_ONCE] * 4
    assert run(code_count) == 2 * count
    product = next(p for p in run(load_products) if p.file_name == "a.txt")
    more = [f"more-{number}" for number in range(count)]
    assert restock_in_parts(stall.market, product, more, os.urandom) == count
    assert restock_in_parts(stall.market, product, more, os.urandom) == 0


def test_too_many_products_are_foreseen(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from veilmart.merchant.goods import products

    comparison = compared(stall, tmp_path / "many", 5)
    monkeypatch.setattr(products, "PRODUCTS_MAX", 6)
    before = stall.market.database.run_now(load_products)
    with pytest.raises(BadArgument, match="6 products at most"):
        carried_out(stall, comparison)
    assert stall.market.database.run_now(load_products) == before


def test_comparing_and_foreseeing_do_not_hold_the_writer(stall: Stall, tmp_path: Path) -> None:
    """A lock as another program's write would take; with it held, a dry run still answers."""
    comparison = compared(stall, tmp_path / "shop", 3)
    file = Path(stall.market.home.path) / "merchant.sqlite"
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        database = stall.market.database
        again = database.read_now(compare, read_folder(tmp_path / "shop", 500, 2), 2)
        with pytest.raises(AloneOnShelf):
            database.read_now(foresee_import, _only_first(again), prune=True, alone=False)
        other.execute("ROLLBACK")  # both have answered while the lock was held
    assert len(comparison.changes) == 3


def _only_first(comparison: Comparison) -> Comparison:
    return Comparison(comparison.changes[:1], (), comparison.gone)


async def test_a_running_shop_reads_itself_again_without_holding_the_writer(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What grows with the catalogue is done in a snapshot, and off the writer's thread."""
    from veilmart.merchant.publishing import snapshot

    carried_out(stall, compared(stall, tmp_path / "shop", 3))
    market, threads = stall.market, {}
    for name in (
        "read_goods",
        "make_descriptor",
        "draft_catalogue",
        "publish_documents",
        "store_catalogue",
    ):
        real = getattr(snapshot, name)

        def noted(*args: Any, _name: str = name, _real: Any = real) -> Any:
            threads[_name] = threading.current_thread().name
            return _real(*args)

        monkeypatch.setattr(snapshot, name, noted)
    shop = await snapshot.open_snapshot(
        market.database, market.identity, market.fingerprint, NOW, os.urandom
    )
    assert len(shop.products) > 3
    writer = threads["store_catalogue"]
    assert threads["publish_documents"] == writer
    assert threads["read_goods"] != writer != threads["draft_catalogue"]
    same = await snapshot.open_snapshot(
        market.database, market.identity, market.fingerprint, NOW, os.urandom
    )
    assert same.catalogue == shop.catalogue
    loaded = snapshot.load_shop(
        market.database, market.identity, market.fingerprint, NOW, os.urandom
    )
    assert loaded == same
