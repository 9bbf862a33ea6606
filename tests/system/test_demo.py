"""`veilmart demo`: the built-in goods, and the files of any folder."""

from pathlib import Path

import pytest

from veilmart.demo.processes import run_json


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
    story = await run_json("demo", "--products", str(tmp_path))
    assert {row["state"] for row in story["broker"] + story["merchant"]} == {"settled"}
    assert len({purchase["customer"] for purchase in story["purchases"]}) == 2
    assert len({purchase["suite"] for purchase in story["purchases"]}) == 2
    assert all(purchase["identical"] for purchase in story["purchases"])
    assert story["broker_found"] == [] and story["merchant_found"] == []
    assert "hidden" not in {Path(purchase["file"]).name for purchase in story["purchases"]}
