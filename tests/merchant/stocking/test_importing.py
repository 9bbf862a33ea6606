"""A folder becomes a shop; products move between shelves; covers are made of pixels alone."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.merchant.cli.saying import Say
from tests.merchant.stocking.folders import folder_of, run_import_of
from tests.support.packed import unpack_product
from tests.support.scripted_merchant import FakeBroker, Stall
from tests.support.selling_codes import run_import
from veilmart.errors import (
    AloneOnShelf,
    BadArgument,
    BadSourceFile,
    DiskFull,
    NotAPricePoint,
    ProductGone,
    SignatureInvalid,
    StorageFailure,
)
from veilmart.limits import COVER_MAX_BYTES
from veilmart.merchant.goods.products import edit_product, load_products
from veilmart.merchant.goods.shelves import load_shelves
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.stocking.anonymity_report import shelf_reports
from veilmart.merchant.stocking.comparing import compare
from veilmart.merchant.stocking.covers import encode_cover
from veilmart.merchant.stocking.shelf_moves import Applied, apply_proposal, check_proposal, propose
from veilmart.merchant.stocking.shop_folder import read_folder
from veilmart.protocol.catalogue import open_catalogue
from veilmart.protocol.merchant_messages import GetShowcase, ShowcasePage
from veilmart.protocol.showcase import open_showcase

SHOP = """
price = "2.00"
["a.txt"]
title = "The A"
description = "Words\\nin two lines"
tags = ["first", "letter"]
cover = "covers/a.png"
sample = "covers/sample.txt"
["b.txt"]
price = "5.00"
"""


def picture(path: Path, size: tuple[int, int] = (900, 600), **how: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    image = Image.effect_noise(size, 90).convert("RGB")
    image.save(path, **how)
    return path


def changes(market: MerchantHome, folder: Path, k: int = 2) -> dict[str, tuple[str, ...]]:
    found = market.database.run_now(compare, read_folder(folder, 500, 2), k)
    return {c.entry.source.file_name: c.what for c in found.changes if c.what}


def test_a_folder_becomes_a_shop_and_only_changes_are_sent_on(stall: Stall, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=10, b=3000, c=20, d=3500)
    picture(folder / "covers" / "a.png")
    (folder / "covers" / "sample.txt").write_text("Free!\n")
    (folder / "shop.toml").write_text(SHOP + '["d.txt"]\nprice = "5.00"\n')
    dry = changes(stall.market, folder)
    assert dry == dict.fromkeys(("a.txt", "b.txt", "c.txt", "d.txt"), ("new",))
    assert len(stall.market.database.run_now(load_products)) == 2  # a dry run changes nothing
    done = run_import(stall, folder)
    assert (done.new, done.changed, done.same) == (4, 0, 0)
    by_name = {p.file_name: p for p in stall.market.database.run_now(load_products)}
    assert by_name["a.txt"].title == "The A" and by_name["a.txt"].tags == "first\nletter"
    assert changes(stall.market, folder) == {}
    (folder / "a.txt").write_bytes(b"changed")
    (folder / "shop.toml").write_text(
        SHOP.replace("The A", "An A").replace("letter", "vowel") + '["d.txt"]\nprice = "5.00"\n'
    )
    assert changes(stall.market, folder) == {"a.txt": ("content", "words")}
    stored = sorted(stall.market.home.file("products").rglob("data"))
    done = run_import(stall, folder)
    assert (done.new, done.changed, done.same) == (0, 1, 3)
    assert len(set(stall.market.home.file("products").rglob("data")) - set(stored)) == 1
    again = {p.file_name: p for p in stall.market.database.run_now(load_products)}
    assert again["a.txt"].id == by_name["a.txt"].id and again["a.txt"].version == 2
    assert {n: p.root for n, p in again.items() if n != "a.txt"} == {
        n: p.root for n, p in by_name.items() if n != "a.txt"
    }


def test_a_new_price_moves_a_product_and_pruning_removes_the_rest(
    stall: Stall, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, a=10, b=11, c=12, d=13)
    run_import(stall, folder)
    product = next(
        p for p in stall.market.database.run_now(load_products) if p.file_name == "a.txt"
    )
    (folder / "shop.toml").write_text('["a.txt"]\nprice = "2.00"\n["b.txt"]\nprice = "2.00"\n')
    (folder / "d.txt").unlink()
    assert changes(stall.market, folder) == {"a.txt": ("price",), "b.txt": ("price",)}
    with pytest.raises(AloneOnShelf):
        (folder / "shop.toml").write_text('["a.txt"]\nprice = "2.00"\n')
        run_import(stall, folder, prune=True)
    (folder / "shop.toml").write_text('["a.txt"]\nprice = "2.00"\n["b.txt"]\nprice = "2.00"\n')
    done = run_import(stall, folder)
    assert (done.changed, done.removed) == (2, 0)
    moved = next(p for p in stall.market.database.run_now(load_products) if p.id == product.id)
    assert moved.shelf != product.shelf and moved.version == 1
    assert run_import(stall, folder, prune=True, alone=True).removed == 3  # d, alpha and beta


@pytest.mark.parametrize(
    ("toml", "error"),
    [
        ("price = ", BadArgument),
        ('["nobody.txt"]\ntitle = "x"', BadSourceFile),
        ('["a.txt"]\ncolour = "red"', BadSourceFile),
        ('["a.txt"]\ntitle = 5', BadSourceFile),
        ('["a.txt"]\ntitle = "\\u001b[2J"', BadSourceFile),
        ('["a.txt"]\ntags = "x"', BadSourceFile),
        ('["a.txt"]\ntags = ["x", "x"]', BadSourceFile),
        ('["a.txt"]\ncover = "a.txt"', BadSourceFile),
        ('["a.txt"]\nsample = "nowhere.pdf"', BadSourceFile),
        ('["a.txt"]\nprice = "3.33"', NotAPricePoint),
    ],
)
def test_folders_that_are_refused_change_nothing(
    stall: Stall, tmp_path: Path, toml: str, error: type[Exception]
) -> None:
    folder = folder_of(tmp_path, a=10, b=10)
    (folder / "shop.toml").write_text(toml)
    before = stall.market.database.run_now(load_products)
    with pytest.raises(error):
        run_import(stall, folder)
    assert stall.market.database.run_now(load_products) == before


def test_a_full_product_store_leaves_the_shop_as_it_was_and_goes_on_later(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, a=10, b=10)
    before = stall.market.database.run_now(load_products)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("veilmart.storage.products.folder_store.os.fsync", full)
        with pytest.raises(DiskFull):
            run_import(stall, folder)
    assert stall.market.database.run_now(load_products) == before
    assert list(stall.market.home.file("products").glob("new/*")) == []
    assert run_import(stall, folder).new == 2


def test_a_full_merchant_database_is_said_and_goes_on_later(stall: Stall, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=10, b=10)
    picture(folder / "covers" / "a.png")
    (folder / "shop.toml").write_text('["a.txt"]\ncover = "covers/a.png"\n')
    run = stall.market.database.run_now
    before = run(load_products)

    def limit(pages: int) -> Any:
        return lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()

    used = run(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar())
    run(limit(used))  # type: ignore[arg-type]
    with pytest.raises(DiskFull):
        run_import(stall, folder)
    assert run(load_products) == before
    run(limit(1 << 30))
    assert run_import(stall, folder).new == 2


# ---- covers --------------------------------------------------------------------------------------


def test_a_cover_is_pixels_and_nothing_else(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    path = picture(tmp_path / "x" / "a.jpg", exif=exif, comment=b"secret")
    assert b"taken at home" in path.read_bytes()
    cover = encode_cover(path)
    assert len(cover) <= COVER_MAX_BYTES
    assert b"taken at home" not in cover and b"secret" not in cover
    with Image.open(io.BytesIO(cover)) as opened:
        assert opened.format == "JPEG" and max(opened.size) == 480
        assert not opened.getexif()
    assert encode_cover(path) == cover


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n junk", b"<svg/>", b"GIF89a"])
def test_what_is_no_picture(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(BadSourceFile):
        encode_cover(tmp_path / "x")


def test_covers_come_for_a_whole_shelf_and_are_checked(stall: Stall, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=10, b=12)
    picture(folder / "covers" / "a.png")
    (folder / "covers" / "sample.txt").write_text("Free!\n" * 60_000)
    with pytest.raises(BadSourceFile):
        (folder / "shop.toml").write_text('["a.txt"]\nsample = "covers/sample.txt"\n')
        run_import(stall, folder)
    (folder / "covers" / "sample.txt").write_text("Free!\n" * 40_000)
    (folder / "shop.toml").write_text(
        '["a.txt"]\nsample = "covers/sample.txt"\n["b.txt"]\ncover = "covers/a.png"\n'
    )
    run_import(stall, folder)
    stall.reload()
    known = stall.state.shop
    signer = known.newest.known.descriptor.signing_key
    opened = open_catalogue(known.catalogue.blob, signer, stall.market.fingerprint)
    (entry,) = opened.catalogue.showcases
    link = stall.link()
    blobs = []
    for _ in range(2):
        customer = stall.customer(link)
        pages = []
        for number in range(-(-entry.size // (256 * 1024))):
            request = GetShowcase(shelf=entry.shelf, page=number)
            page, _, _ = stall.tell(link, customer, request, ShowcasePage)
            pages.append(page.data)
        blobs.append(b"".join(pages))
    assert blobs[0] == blobs[1]
    pictures = {p.product: p for p in open_showcase(blobs[0], entry).pictures}
    ids = {p.file_name: p.id for p in known.products.values()}
    assert pictures[ids["a.txt"]].sample == b"Free!\n" * 40_000
    assert pictures[ids["b.txt"]].cover == encode_cover(folder / "covers" / "a.png")
    with pytest.raises(SignatureInvalid):
        open_showcase(blobs[0][:-1] + b"\1", entry)
    (folder / "shop.toml").write_text("")
    run_import(stall, folder)
    stall.reload()
    gone = GetShowcase(shelf=entry.shelf, page=0)
    with pytest.raises(ProductGone):
        stall.tell(link, stall.customer(link), gone, ShowcasePage)


# ---- proposals -----------------------------------------------------------------------------------


def test_products_move_to_the_proposed_shelves_and_keep_their_content(
    stall: Stall, tmp_path: Path
) -> None:
    run = stall.market.database.run_now
    folder = folder_of(tmp_path, a=300, b=310, c=9000, d=9100, e=800_000, f=900_000)
    entries = read_folder(folder, 500, 2)
    # All on one shelf to begin with.
    comparison = run(compare, entries, 6)
    run_import_of(stall, comparison)
    before = {p.file_name: p for p in run(load_products)}
    proposal = run(propose, 2)
    assert proposal.then < proposal.now
    assert [len(shelf.items) for shelf in proposal.shelves] == [4, 2, 2]
    *_, applied = apply_proposal(stall.market, proposal, os.urandom)
    assert isinstance(applied, Applied)
    after = {p.file_name: p for p in run(load_products)}
    sizes = {shelf.id: shelf.size for shelf in run(load_shelves)}
    for name, product in after.items():
        packed = stall.market.store.read(product.root, 0, sizes[product.shelf])
        assert (product.id, product.version) == (before[name].id, before[name].version)
        if (folder / name).exists():
            assert unpack_product(packed) == (name, (folder / name).read_bytes())
    assert run(propose, 2).then == run(propose, 2).now == proposal.then
    assert list(apply_proposal(stall.market, run(propose, 2), os.urandom)) == [Applied(0, 0, ())]
    stall.reload()  # the descriptor is made without the shelf that is out of use
    assert {s.id for s in stall.state.shop.newest.known.descriptor.shelves} == set(sizes)


def test_a_wish_for_a_price_that_nothing_else_has_is_refused_without_alone(stall: Stall) -> None:
    run = stall.market.database.run_now
    product = run(load_products)[0]
    run(edit_product, product.id, None, None, None, None, 1000)
    proposal = run(propose, 2)
    assert [shelf.short for shelf in proposal.shelves] == [True, True]
    with pytest.raises(AloneOnShelf):
        check_proposal(proposal, alone=False)
    check_proposal(proposal, alone=True)


def test_a_product_that_changed_meanwhile_stops_the_move(stall: Stall, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=9000, b=9100, c=1500, d=1600)
    run = stall.market.database.run_now
    run_import_of(stall, run(compare, read_folder(folder, 500, 2), 4))
    proposal = run(propose, 2)
    (folder / "c.txt").write_bytes(b"new" * 500)
    run_import(stall, folder)
    before = run(load_products)
    with pytest.raises((BadArgument, StorageFailure)):
        list(apply_proposal(stall.market, proposal, os.urandom))
    assert run(load_products) == before


def test_the_report_before_any_sale_counts_products(stall: Stall) -> None:
    (report,) = stall.market.database.run_now(shelf_reports)
    assert (report.k, report.sales, report.effective, report.guess) == (2, 0, 2.0, 0.5)
    assert report.overhead == pytest.approx((2 * 1024 - (720 + 8 + 2 * 42 + 17)) / 829, rel=0.01)


def test_a_shop_from_a_folder_on_the_command_line(
    say: Say,
    fresh: FakeBroker,
    tmp_path: Path,
) -> None:
    folder = folder_of(tmp_path, a=10, b=11, c=5000, d=5001)
    (folder / "keys.codes").write_text("K-1\nK-2\n")
    (folder / "cards.codes").write_text("C-1\n")
    say("init", "--broker", "http://127.0.0.1:8000", "--yes")
    code, out, _ = say("import", str(folder), "--k", "2", "--dry-run")
    assert code == 0 and out.count("new shelf") == 3 and "new              a.txt" in out
    code, out, err = say("import", str(folder), "--k", "2")
    assert code == 0, err
    assert "6 new, 0 changed, 0 as before, 0 removed; 3 new shelves.\nCustomers see" in out
    assert say("import", str(folder), "--dry-run")[1] == "Nothing changed.\n"
    (tmp_path / "keys.txt").write_text("K-2\nK-3\n")
    said = say("codes", "add", str(tmp_path / "keys.txt"))[1]
    assert said.startswith("1 codes added, 1 were known already.\nCustomers see new codes ")
    assert say("codes", "add", str(tmp_path / "keys.txt"))[1] == (
        "0 codes added, 2 were known already.\n"
    )
    code, out, _ = say("codes", "list")
    assert code == 0 and [line.split() for line in out.splitlines()[1:]] == [
        ["cards", "1", "0", "0", "1", "0"],
        ["keys", "3", "0", "0", "3", "0"],
    ]
    code, out, _ = say("shelf", "propose", "--k", "2")
    assert code == 0 and "Padding in all:" in out
    code, out, _ = say("shelf", "apply", "--k", "4", "--yes")
    assert code == 0 and out.endswith("Moved 2 products; 0 new shelves, 1 out of use.\n"), out
    code, out, _ = say("report", "--svg", str(tmp_path / "report.svg"))
    assert code == 0 and "█" in out
    assert (tmp_path / "report.svg").read_text().startswith("<svg")
    code, out, _ = say("edit", "a.txt", "--tag", "new", "--tag", "short", "--wish", "10.00")
    assert code == 0, out
