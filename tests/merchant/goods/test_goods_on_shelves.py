"""Shelves and products: which shelf, which version, who stands alone."""

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.support.scripted_merchant import NOW
from veilmart.crypto.padding import shelf_bytes
from veilmart.errors import (
    AloneOnShelf,
    BadArgument,
    NoSuchProduct,
    NoSuchShelf,
    NotAPricePoint,
    ShelfTooSmall,
)
from veilmart.limits import SHELVES_MAX
from veilmart.merchant.goods.products import (
    edit_product,
    find_product,
    load_products,
    remove_product,
)
from veilmart.merchant.goods.shelves import create_shelf, load_shelves
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.schema.tables import products
from veilmart.merchant.stocking.adding import Added, add_now, check_price
from veilmart.merchant.stocking.packing import look_at
from veilmart.merchant.stocking.shelf_moves import apply_proposal, propose


def add(market: MerchantHome, folder: Path, files: dict[str, int], **how: Any) -> Added:
    folder.mkdir(exist_ok=True)
    sources = []
    for name, size in files.items():
        (folder / name).write_bytes(b"x" * size)
        sources.append(look_at(folder / name))
    return add_now(market, tuple(sources), now=NOW, random=os.urandom, **how)


def test_a_shelf_is_made_for_the_largest_of_the_batch(market: MerchantHome, tmp_path: Path) -> None:
    added = add(market, tmp_path / "g", {"a": 100, "b": 200_000})
    assert added.shelf.name == "5.00-196K"
    assert added.shelf.price == 500
    assert added.shelf.size == shelf_bytes(200_000 + 32 + 8 + 2 + 1)
    assert {market.store.size(product.root) for product in added.products} == {added.shelf.size}


def test_the_smallest_shelf_that_fits_is_chosen(market: MerchantHome, tmp_path: Path) -> None:
    small = market.database.run_now(create_shelf, "small", 200, 4096)
    large = market.database.run_now(create_shelf, "large", 500, 65_536)
    cheap = market.database.run_now(create_shelf, "cheap", 100, 65_536)
    folder = tmp_path / "g"
    assert add(market, folder, {"a": 1, "b": 4000}).shelf == small
    assert add(market, folder, {"c": 1, "d": 4096}).shelf == cheap
    assert add(market, folder, {"e": 1, "f": 1}, price=500).shelf == large
    assert add(market, folder, {"h": 1, "i": 1}, shelf="large").shelf == large
    assert add(market, folder, {"j": 1, "k": 1}, shelf=str(large.id)).shelf == large
    fresh = add(market, folder, {"l": 1, "m": 1}, price=1000).shelf
    assert (fresh.name, fresh.price, fresh.size) == ("10.00-1K", 1000, 1024)


def test_what_does_not_fit_or_match_is_refused(market: MerchantHome, tmp_path: Path) -> None:
    market.database.run_now(create_shelf, "small", 200, 1024)
    folder = tmp_path / "g"
    with pytest.raises(ShelfTooSmall):
        add(market, folder, {"a": 1, "b": 1024}, shelf="small")
    with pytest.raises(NoSuchShelf):
        add(market, folder, {"a": 1, "b": 1}, shelf="other")
    with pytest.raises(BadArgument):
        add(market, folder, {"a": 1, "b": 1}, shelf="small", price=500)
    with pytest.raises(NotAPricePoint, match=r"1\.00, 2\.00, 5\.00, 10\.00"):
        add(market, folder, {"a": 1, "b": 1}, price=300)
    source = look_at(folder / "a")
    with pytest.raises(BadArgument):
        add_now(market, (source, source), now=NOW, random=os.urandom)
    with pytest.raises(BadArgument):
        add_now(market, (), now=NOW, random=os.urandom)
    assert market.database.run_now(load_products) == ()


def test_a_product_alone_is_refused_without_being_copied(
    market: MerchantHome, tmp_path: Path
) -> None:
    folder = tmp_path / "g"
    store = market.home.file("products")
    before = sorted(store.rglob("*"))
    with pytest.raises(AloneOnShelf):
        add(market, folder, {"a": 1})
    assert sorted(store.rglob("*")) == before
    add(market, folder, {"a": 1}, alone=True)
    with pytest.raises(AloneOnShelf):
        add(market, folder, {"a": 2})
    add(market, folder, {"b": 1})
    assert len(market.database.run_now(load_products)) == 2


def test_the_same_file_name_is_a_new_version(market: MerchantHome, tmp_path: Path) -> None:
    folder = tmp_path / "g"
    first = add(market, folder, {"a": 10, "b": 10}).products[0]
    market.database.run_now(edit_product, first.id, "A title", None, None)
    second = add(market, folder, {"a": 20}).products[0]
    assert (second.id, second.version, second.size) == (first.id, 2, 20)
    assert second.title == "A title"
    assert second.root != first.root
    assert market.store.has(first.root) and market.store.has(second.root)
    assert len(market.database.run_now(load_products)) == 2


def test_removing_and_adding_again(market: MerchantHome, tmp_path: Path) -> None:
    folder = tmp_path / "g"
    a, b, _ = add(market, folder, {"a": 1, "b": 1, "c": 1}).products
    market.database.run_now(remove_product, a.id, False)
    with pytest.raises(AloneOnShelf):
        market.database.run_now(remove_product, b.id, False)
    assert len(market.database.run_now(load_products)) == 2
    market.database.run_now(remove_product, b.id, True)
    with pytest.raises(NoSuchProduct):
        market.database.run_now(remove_product, b.id, True)
    with pytest.raises(NoSuchProduct):
        market.database.run_now(remove_product, bytes(16), True)
    assert market.store.has(a.root)
    again = add(market, folder, {"a": 1}).products[0]
    assert (again.id, again.version) == (a.id, 2)


@pytest.mark.parametrize("title", ["", "   ", "x" * 201, "a\nb", "a\x1b[1m", "a\u202eb"])
def test_titles_that_are_refused(market: MerchantHome, tmp_path: Path, title: str) -> None:
    a, _ = add(market, tmp_path / "g", {"a": 1, "b": 1}).products
    with pytest.raises(BadArgument):
        market.database.run_now(edit_product, a.id, title, None, None)
    with pytest.raises(BadArgument):
        source = look_at(tmp_path / "g" / "a", title=title)
        add_now(market, (source,), now=NOW, random=os.urandom)


def test_edits(market: MerchantHome, tmp_path: Path) -> None:
    a, _ = add(market, tmp_path / "g", {"a": 1, "b": 1}).products
    with pytest.raises(BadArgument):
        market.database.run_now(edit_product, a.id, None, None, None)
    with pytest.raises(BadArgument):
        market.database.run_now(edit_product, a.id, None, "d" * 2001, None)
    with pytest.raises(NoSuchProduct):
        market.database.run_now(edit_product, bytes(16), "t", None, None)
    market.database.run_now(edit_product, a.id, "New", "Two\nlines", False)
    edited = find_product(market.database.run_now(load_products), "New")
    assert (edited.description, edited.available) == ("Two\nlines", False)


def test_finding_a_product(market: MerchantHome, tmp_path: Path) -> None:
    a, b = add(market, tmp_path / "g", {"a": 1, "b": 1}).products
    standing = market.database.run_now(load_products)
    for wanted in ("a", "1", a.id.hex(), a.id.hex()[:8].upper()):
        assert find_product(standing, wanted).id == a.id
    market.database.run_now(edit_product, b.id, "a", None, None)
    for wanted in ("a", "0", "3", "c", "", "99999999999", "é"):
        with pytest.raises(NoSuchProduct):
            find_product(market.database.run_now(load_products), wanted)


def test_shelves_that_are_refused(market: MerchantHome) -> None:
    run = market.database.run_now
    run(create_shelf, "one", 100, 1)
    for name, size in (
        ("one", 1),
        ("", 1),
        ("x" * 65, 1),
        ("a\nb", 1),
        ("two", 0),
        ("three", 2**35),
    ):
        with pytest.raises(BadArgument):
            run(create_shelf, name, 100, size)
    assert [shelf.size for shelf in run(load_shelves)] == [1024]
    for number in range(1, SHELVES_MAX):
        run(create_shelf, f"more {number}", 100, 1)
    with pytest.raises(BadArgument):
        run(create_shelf, "too many", 100, 1)


def test_the_usual_price_is_the_brokers(market: MerchantHome) -> None:
    assert market.database.run_now(check_price, None) == 500
    assert market.database.run_now(check_price, 200) == 200


def test_no_shelf_is_planned_at_a_price_that_the_broker_has_given_up(
    market: MerchantHome, tmp_path: Path
) -> None:
    add(market, tmp_path / "g", {"a": 100, "b": 200_000, "c": 100, "d": 100})
    given_up = update(products).values(wish=300)
    market.database.run_now(lambda conn: conn.execute(given_up).rowcount)
    proposal = market.database.run_now(propose, 2)
    with pytest.raises(NotAPricePoint, match=r"1\.00, 2\.00, 5\.00, 10\.00"):
        list(apply_proposal(market, proposal, os.urandom))
