"""What one command does to one product, or in one transaction, does not grow with the catalogue."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.scripted_merchant import NOW
from veilmart.errors import AloneOnShelf, BadArgument
from veilmart.merchant.goods.products import (
    ShopProduct,
    edit_product,
    load_products,
    remove_product,
)
from veilmart.merchant.goods.shelves import create_shelf
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.schema.tables import products
from veilmart.merchant.stocking.adding import add_now, add_products
from veilmart.merchant.stocking.packing import look_at
from veilmart.merchant.stocking.shelf_moves import Move, move_products


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Statements, and products that were made of rows."""
    counts: Counter[str] = Counter()

    def executed(*_: Any) -> None:
        counts["statements"] += 1

    sa.event.listen(sa.Engine, "after_cursor_execute", executed)
    row_made = ShopProduct.__init__

    def made(self: ShopProduct, *args: Any, **values: Any) -> None:
        counts["products"] += 1
        row_made(self, *args, **values)

    ShopProduct.__init__ = made  # type: ignore[method-assign]
    try:
        yield counts
    finally:
        ShopProduct.__init__ = row_made  # type: ignore[method-assign]
        sa.event.remove(sa.Engine, "after_cursor_execute", executed)


def stocked(market: MerchantHome, count: int) -> tuple[ShopProduct, ...]:
    """So many products more on a shelf of their own; their bytes are in no store."""
    run = market.database.run_now
    shelf = run(create_shelf, f"of {count}", 500, 2048)
    same: dict[str, Any] = {
        "shelf": shelf.id,
        "version": 1,
        "description": "",
        "size": 900,
        "pieces": bytes(32),
        "available": True,
        "tags": "",
        "codes": False,
        "in_stock": True,
        "removed": False,
        "added_at": NOW,
    }
    rows = [
        {
            "id": os.urandom(16),
            "root": os.urandom(32),
            "file_name": f"{count}-{number}.txt",
            "title": f"Number {number} of {count}",
            **same,
        }
        for number in range(count)
    ]
    run(lambda connection: connection.execute(sa.insert(products), rows).rowcount)
    return tuple(p for p in run(load_products) if p.shelf == shelf.id)


def work(market: MerchantHome, folder: Path, count: int) -> dict[str, Counter[str]]:
    """Counts of each act on one product among `count`."""
    run = market.database.run_now
    standing = stocked(market, count)
    file = folder / f"one-{count}.txt"
    file.write_text("one more\n")
    acts: dict[str, Callable[[], object]] = {
        "edit": lambda: run(edit_product, standing[0].id, "Other words", None, None),
        "remove": lambda: run(remove_product, standing[1].id, False),
        "add": lambda: add_now(
            market, (look_at(file),), shelf=f"of {count}", now=NOW, random=os.urandom
        ),
    }
    found = {}
    for name, act in acts.items():
        with counted() as counts:
            act()
        found[name] = counts
    return found


def test_one_product_is_edited_added_or_removed_without_reading_the_others(
    market: MerchantHome, tmp_path: Path
) -> None:
    few, many = work(market, tmp_path, 10), work(market, tmp_path, 400)
    assert few == many
    for counts in many.values():
        assert counts["statements"] <= 12 and counts["products"] <= 2


def test_a_plan_for_all_products_is_carried_out_in_few_statements(market: MerchantHome) -> None:
    """`shelf apply` moves everything in one transaction, so that no shelf is seen half empty."""
    run = market.database.run_now
    standing = stocked(market, 900)
    run(remove_product, standing[0].id, False)
    again = run(create_shelf, "moved", 1000, 2048)
    moves = [Move(p, again.id, os.urandom(32), bytes(32)) for p in standing[1:]]
    with counted() as counts:
        run(move_products, moves)
    assert counts["statements"] <= 8
    moved = {p.id: p for p in run(load_products)}
    assert all(moved[m.product.id].root == m.root for m in moves)
    assert {moved[m.product.id].shelf for m in moves} == {again.id}


def test_a_product_that_changed_meanwhile_stops_the_whole_plan(market: MerchantHome) -> None:
    run = market.database.run_now
    standing = stocked(market, 5)
    shelf = run(create_shelf, "moved", 1000, 2048)
    run(move_products, [Move(standing[4], shelf.id, bytes(32), b"")])
    moves = [Move(p, shelf.id, os.urandom(32), b"") for p in standing]
    with pytest.raises(BadArgument, match=r"5-4\.txt was changed meanwhile"):
        run(move_products, moves)
    assert {p.shelf for p in run(load_products)} == {shelf.id, standing[0].shelf}


def test_a_removed_product_of_the_same_name_steps_aside(market: MerchantHome) -> None:
    run = market.database.run_now
    first, second = stocked(market, 3), stocked(market, 4)
    run(
        lambda c: (
            c.execute(
                sa.update(products)
                .where(products.c.id == first[0].id)
                .values(file_name=second[0].file_name, removed=True)
            ).rowcount
        )
    )
    run(move_products, [Move(second[0], first[0].shelf, os.urandom(32), b"")])
    names = {p.file_name for p in run(load_products) if p.shelf == first[0].shelf}
    assert second[0].file_name in names


def test_the_last_but_one_cannot_leave_one_alone(market: MerchantHome) -> None:
    run = market.database.run_now
    standing = stocked(market, 2)
    with pytest.raises(AloneOnShelf, match=r"2-1\.txt would be"):
        run(remove_product, standing[0].id, False)


def test_many_files_are_added_in_short_transactions_and_seen_together(
    market: MerchantHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("veilmart.merchant.stocking.adding.PRODUCTS_AT_ONCE", 3)
    files = [tmp_path / f"{number}.txt" for number in range(8)]
    for file in files:
        file.write_text(file.name)
    run = market.database.run_now
    revision = run(read_shop).revision
    steps: list[tuple[int, int]] = []

    def run_and_look(function: Callable[..., Any], *args: Any, **more: Any) -> Any:
        before = len(run(load_products))
        found = run(function, *args, **more)
        placed = len(run(load_products)) - before
        steps.append((placed, run(read_shop).revision - revision))
        return found

    monkeypatch.setattr(market.database, "run_now", run_and_look)
    added = add_now(market, tuple(map(look_at, files)), now=NOW, random=os.urandom)
    assert steps == [(3, 0), (3, 0), (2, 1)]
    assert [product.file_name for product in added.products] == [file.name for file in files]


def test_too_many_products_are_refused_before_they_are_packed(
    market: MerchantHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"{number}.txt" for number in range(3)]
    for file in files:
        file.write_text(file.name)
    sources = tuple(map(look_at, files))
    for module in ("goods.products", "stocking.adding"):
        monkeypatch.setattr(f"veilmart.merchant.{module}.PRODUCTS_MAX", 3)
    add_now(market, sources, now=NOW, random=os.urandom)
    add_now(market, sources, now=NOW, random=os.urandom)  # new versions of the same three
    (tmp_path / "4.txt").write_text("one too many")
    with pytest.raises(BadArgument):
        next(
            add_products(
                market,
                (look_at(tmp_path / "4.txt"),),
                alone=True,
                now=NOW,
                random=os.urandom,
            )
        )
