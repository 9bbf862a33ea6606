"""A refused import is foreseen before a byte is packed, and leaves nothing behind."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.merchant.stocking.folders import folder_of
from tests.support.scripted_merchant import NOW, Stall
from tests.support.selling_codes import run_import
from veilmart.errors import AloneOnShelf, BadArgument, DatabaseFailure
from veilmart.merchant.goods.products import load_products
from veilmart.merchant.schema.tables import products
from veilmart.merchant.stocking import importing
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.comparing import compare
from veilmart.merchant.stocking.foreseeing import foresee_import
from veilmart.merchant.stocking.packing import look_at
from veilmart.merchant.stocking.repricing import reprice
from veilmart.merchant.stocking.shelf_moves import apply_proposal, propose
from veilmart.merchant.stocking.shop_folder import read_folder


def packed(stall: Stall) -> set[str]:
    """Every file of the product store."""
    store = Path(stall.market.home.path) / "products"
    return {str(file) for file in store.rglob("*") if file.is_file()}


def foreseen(stall: Stall, folder: Path, *, prune: bool = False, alone: bool = False) -> None:
    run = stall.market.database.run_now
    comparison = run(compare, read_folder(folder, 500, 2), 2)
    run(lambda conn: foresee_import(conn, comparison, prune=prune, alone=alone))


def test_what_would_be_alone_is_foreseen_with_its_name(stall: Stall, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=10, b=11)
    foreseen(stall, folder)
    (folder / "shop.toml").write_text('["a.txt"]\nprice = "10.00"\n')
    with pytest.raises(AloneOnShelf, match=r"a\.txt|b\.txt"):
        foreseen(stall, folder)
    foreseen(stall, folder, alone=True)


def test_pruning_that_leaves_one_alone_is_foreseen(stall: Stall, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=10, b=11)
    run_import(stall, folder)
    standing = stall.market.database.run_now(load_products)
    (folder / "a.txt").unlink()
    foreseen(stall, folder)
    shelf = next(p.shelf for p in standing if p.file_name == "b.txt")
    others = [p for p in standing if p.shelf == shelf and p.file_name != "b.txt"]
    with pytest.raises(AloneOnShelf):
        foreseen(stall, folder, prune=True)
    assert others


@pytest.mark.parametrize("error", [BadArgument, DatabaseFailure])
def test_a_refused_import_leaves_no_packed_bytes(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """After a failure of the database the bytes stay: they may have been committed."""
    folder, before = folder_of(tmp_path, x=3000, y=4000), packed(stall)

    def refuse(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(importing, "_carry_out", refuse)
    with pytest.raises(error):
        run_import(stall, folder)
    left = packed(stall) - before
    assert bool(left) == (error is DatabaseFailure)


@pytest.mark.parametrize("act", ["import", "add", "reprice", "shelf apply"])
def test_ctrl_c_behind_a_commit_leaves_the_bytes_of_what_is_on_sale(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """It may come when the transaction is committed and its caller does not know yet."""
    folder = folder_of(tmp_path, x=3000, y=4000)
    run_import(stall, folder)
    market, run = stall.market, stall.market.database.run_now
    before = {product.root for product in run(load_products)}
    (folder / "x.txt").write_text("changed\n")
    (tmp_path / "z.txt").write_text("another\n")

    def interrupted(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        found = run(function, *args, **named)
        if {product.root for product in run(load_products)} - before:
            raise KeyboardInterrupt
        return found

    def wish(connection: sa.Connection) -> int:
        return connection.execute(sa.update(products).values(wish=1000)).rowcount

    monkeypatch.setattr(market.database, "run_now", interrupted)
    standing = next(p for p in run(load_products) if p.file_name == "y.txt")
    with pytest.raises(KeyboardInterrupt):
        if act == "import":
            run_import(stall, folder)
        elif act == "add":
            another = (look_at(tmp_path / "z.txt"),)
            add_now(market, another, alone=True, now=NOW, random=os.urandom)
        elif act == "reprice":
            reprice(market, standing, 1000, alone=True, random=os.urandom)
        else:
            run(wish)
            list(apply_proposal(market, run(propose, 2), os.urandom))
    after = run(load_products)
    assert {product.root for product in after} - before
    for product in after:
        assert market.store.size(product.root) > 0
