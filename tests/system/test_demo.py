"""`veilmart demo`: the built-in goods, and the files of any folder."""

from pathlib import Path

import pytest

from veilmart.demo.cli import _one_of
from veilmart.demo.processes import run_json
from veilmart.demo.stall import folder_goods
from veilmart.errors import AloneOnShelf


def test_a_folder_with_one_file_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "only.txt").write_text("alone")
    with pytest.raises(AloneOnShelf, match="only"):
        folder_goods(tmp_path)


def test_links_and_subfolders_are_named_as_skipped(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.txt").symlink_to("one.txt")
    (tmp_path / "sub").mkdir()
    told: list[str] = []
    assert [source.file_name for source in folder_goods(tmp_path, told.append)] == [
        "one.txt",
        "two.txt",
    ]
    assert len(told) == 2 and all(line.startswith("Skipped: ") for line in told)


def test_the_size_of_the_set_is_said_and_one_is_no_set() -> None:
    assert _one_of(4) == "not known, one of 4"
    assert _one_of(1).startswith("KNOWN")


@pytest.mark.long
async def test_demo_keeps_its_promises() -> None:
    story = await run_json("demo")
    assert len({purchase["customer"] for purchase in story["purchases"]}) == 2
    assert len({purchase["suite"] for purchase in story["purchases"]}) == 2
    assert all(purchase["identical"] for purchase in story["purchases"])
    assert story["broker_found"] == [] and story["merchant_found"] == []
    (hidden,) = story["anonymous"]
    assert set(hidden["accounts"]) == {purchase["customer"] for purchase in story["purchases"]}
    assert story["broker_searched_bytes"] > 0 and story["merchant_searched_bytes"] > 0


@pytest.mark.long
async def test_demo_sells_the_files_of_any_folder(tmp_path: Path) -> None:
    """Also such as need a second look: spaces, another script, hidden ones, markup."""
    for number, name in enumerate(("two words.txt", "日本.txt", "[bold].md", ".hidden")):
        (tmp_path / name).write_bytes(bytes([number]) * (100 + number))
    kept = tmp_path.parent / "kept"
    story = await run_json("demo", "--products", str(tmp_path), "--keep", str(kept))
    assert {row["k"] for row in story["merchant"]} == {3}
    assert (kept / "broker" / "broker.sqlite").is_file() and (kept / "maria-files").is_dir()
    assert {row["state"] for row in story["broker"] + story["merchant"]} == {"settled"}
    assert len({purchase["customer"] for purchase in story["purchases"]}) == 2
    assert len({purchase["suite"] for purchase in story["purchases"]}) == 2
    assert all(purchase["identical"] for purchase in story["purchases"])
    assert story["broker_found"] == [] and story["merchant_found"] == []
    assert "hidden" not in {Path(purchase["file"]).name for purchase in story["purchases"]}
