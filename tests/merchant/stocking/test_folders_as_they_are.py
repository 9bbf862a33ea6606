"""Folders as people have them: litter, subfolders, links and names that cannot be sold."""

import os
from pathlib import Path

import pytest

from veilmart.errors import BadArgument, BadSourceFile
from veilmart.merchant.goods.products import check_description, check_tags, check_title
from veilmart.merchant.stocking.packing import look_at, sources_in
from veilmart.merchant.stocking.shop_folder import read_folder

LITTER = ["Thumbs.db", "desktop.ini", ".DS_Store", "film.mp4.crdownload", "~$letter.docx"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt", *LITTER):
        (tmp_path / name).write_text(name)
    (tmp_path / "more").mkdir()
    return tmp_path


def spoil(folder: Path) -> list[str]:
    """Three files that cannot be sold, and how their names are shown."""
    (folder / "con.txt").write_text("x")
    (folder / "empty.txt").touch()
    (folder / "link.txt").symlink_to(folder / "a.txt")
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    return ["con.txt", "empty.txt", "link.txt", r"$'caf\xe9.txt'"]


def test_litter_and_subfolders_are_left_out_and_that_is_said(folder: Path) -> None:
    said: list[str] = []
    assert [s.file_name for s in sources_in(folder, said.append)] == ["a.txt", "b.txt"]
    entries = read_folder(folder, 100, 2, tell=said.append)
    assert [entry.source.file_name for entry in entries] == ["a.txt", "b.txt"]
    for name in [*LITTER, "more"]:
        assert sum(line.startswith(f"Skipped: {name} ") for line in said) == 2


def test_all_bad_files_are_named_at_once_and_the_rest_is_taken_if_asked(folder: Path) -> None:
    names = spoil(folder)
    for read in (lambda: read_folder(folder, 100, 2), lambda: sources_in(folder)):
        with pytest.raises(BadSourceFile) as caught:
            read()
        lines = caught.value.detail.splitlines()
        assert len(lines) == len(names)
        assert all(any(name in line for line in lines) for name in names)
        assert "it is a link" in caught.value.detail
    said: list[str] = []
    entries = read_folder(folder, 100, 2, skip_bad=True, tell=said.append)
    assert [entry.source.file_name for entry in entries] == ["a.txt", "b.txt"]
    assert sum(line.startswith("Left out: ") for line in said) == len(names)


def test_a_wrong_title_is_shown_and_not_called_a_file_name(folder: Path) -> None:
    (folder / "shop.toml").write_text('["a.txt"]\ntitle = " "\n["gone.txt"]\ntitle = "x"\n')
    with pytest.raises(BadSourceFile, match="' '") as caught:
        read_folder(folder, 100, 2)
    assert "a.txt: The title" in caught.value.detail
    assert "'gone.txt', which is not there" in caught.value.detail


def test_one_link_says_that_it_is_one(folder: Path) -> None:
    spoil(folder)
    with pytest.raises(BadSourceFile, match=r"link\.txt: it is a link"):
        look_at(folder / "link.txt")


SOLD = {
    "Screenshot 1.00\u202fPM.png": "Screenshot 1.00 PM.png",
    "no\u00a0break.txt": "no break.txt",
    "\ufeffmark.txt": "mark.txt",
    "soft\u00adhyphen.txt": "softhyphen.txt",
    "zero\u200bwidth\u2060.txt": "zerowidth.txt",
    "\u0645\u06cc\u200c\u062e.txt": "\u0645\u06cc\u062e.txt",
    "e\u0301.txt": "\u00e9.txt",
}


@pytest.mark.parametrize("name", SOLD, ids=ascii)
def test_names_from_any_system_are_sold_in_one_form(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / "shop.toml").write_text(f'["{name}"]\ntitle = "Mine"\n')
    (entry,) = read_folder(tmp_path, 100, 2)
    assert (entry.source.file_name, entry.source.title) == (SOLD[name], "Mine")
    assert look_at(tmp_path / name).packed_size > 0


@pytest.mark.parametrize("name", ["a\u202etxt.exe", "a\u200fb.txt", "\ue000.txt", "\u0600.txt"])
def test_names_that_would_deceive_or_show_nothing_are_refused_by_name(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / "good.txt").write_text("x")
    for read in (lambda: read_folder(tmp_path, 100, 2), lambda: sources_in(tmp_path)):
        with pytest.raises(BadSourceFile) as caught:
            read()
        (line,) = caught.value.detail.splitlines()
        assert line.startswith((name, "$'")) and "characters that cannot" in line


def test_two_files_that_would_be_one_name_are_both_kept_off(tmp_path: Path) -> None:
    for name in ("a b.txt", "a\u00a0b.txt"):
        (tmp_path / name).write_text(name)
    with pytest.raises(BadSourceFile, match="the same name"):
        read_folder(tmp_path, 100, 2)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("\ufeffA\u00a0title\u200b", "A title"),
        ("soft\u00adhy\u2060phen", "softhyphen"),
        ("e\u0301", "\u00e9"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
    ],
    ids=ascii,
)
def test_titles_tags_and_descriptions_lose_what_pasting_left(given: str, stored: str) -> None:
    assert check_title(given) == stored
    assert check_tags([given]) == stored
    assert check_description(given + "\r\n" + given) == stored + "\n" + stored


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b", "\ufeff\u00ad", "\u200d", "\u3000", "a\u202eb"]
)
def test_a_title_that_shows_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadArgument):
        check_title(text)
    with pytest.raises(BadArgument):
        check_tags([text])
