"""Delivery: hostile names, taken names, crashes, two at once."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from veilmart.errors import BadName, CannotWrite, DiskFull, Misuse
from veilmart.storage.files import partial_file
from veilmart.storage.files.partial_file import PartialFile, check_file_name, visible


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


BAD_NAMES = {
    "empty": "",
    "dot": ".",
    "dot dot": "..",
    "hidden": ".bashrc",
    "nul": "a\0b",
    "slash": "a/b",
    "absolute": "/etc/passwd",
    "backslash": "a\\b",
    "escape": "a\x1b[2Jb",
    "newline": "a\nb",
    "c1 control": "a\x9bb",
    "right to left": "evil\u202efdp.exe",
    "isolate": "a\u2066b",
    "line separator": "a\u2028b",
    "surrogate": "a\ud800b",
    "201 bytes": "x" * 201,
    "201 bytes in few characters": "é" * 100 + "x",
    "device": "CON",
    "device with ending": "aux.txt",
    "device with two endings": "lpt1.tar.gz",
    "device and space": "nul .txt",
    "trailing dot": "a.",
    "trailing space": "a ",
    "leading space": " a",
}


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_bad_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadName):
        check_file_name(name)
    with pytest.raises(BadName):
        PartialFile(tmp_path, name)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["a", "x" * 200, "é" * 100, "Straße (2).tar.gz", "日本.pdf", "con2"]
)
def test_good_names_are_kept(name: str) -> None:
    assert check_file_name(name) == name


@given(st.text())
def test_what_is_shown_cannot_steer_a_terminal(text: str) -> None:
    shown = visible(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    assert visible(shown) == shown
    shown.encode()


def test_visible_keeps_the_words() -> None:
    assert visible("\x1b[31mred\x1b[0m \x1b]0;title\x07plain\u202e\nnext") == "red plain next"


def test_a_finished_file_has_its_name_and_content(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "out", "atlas.pdf") as partial:
        partial.write(b"one ")
        partial.write(memoryview(b"two"))
        assert not (tmp_path / "out" / "atlas.pdf").exists()
        path = partial.finish()
    assert path == tmp_path / "out" / "atlas.pdf"
    assert path.read_bytes() == b"one two"
    assert names_in(tmp_path / "out") == ["atlas.pdf"]
    with pytest.raises(Misuse):
        partial.write(b"")


@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a.txt").write_bytes(b"mine")
    (tmp_path / "a (2).txt").symlink_to(tmp_path / "nowhere")
    for content, name in ((b"1", "a (3).txt"), (b"2", "a (4).txt")):
        with PartialFile(tmp_path, "a.txt") as partial:
            partial.write(content)
            assert partial.finish().name == name
        assert (tmp_path / name).read_bytes() == content
    assert (tmp_path / "a.txt").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()
    assert len(names_in(tmp_path)) == 4


def test_an_unfinished_file_is_removed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), PartialFile(tmp_path, "a") as partial:
        partial.write(b"half")
        raise KeyError
    assert names_in(tmp_path) == []


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / f"a{partial_file.PART_SUFFIX}").write_bytes(b"left behind, and longer")
    with PartialFile(tmp_path, "a") as partial:
        partial.write(b"new")
        assert partial.finish().read_bytes() == b"new"
    assert names_in(tmp_path) == ["a"]


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    with PartialFile(tmp_path, "a") as first, PartialFile(tmp_path, "a") as second:
        first.write(b"first")
        second.write(b"second")
        assert second.finish().read_bytes() == b"second"
        assert first.finish().read_bytes() == b"first"
    assert names_in(tmp_path) == ["a", "a (2)"]


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, DiskFull), (errno.EIO, CannotWrite)])
def test_disk_errors_are_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with PartialFile(tmp_path, "a") as partial:
        partial.write(b"x")
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(error):
            partial.finish()
    assert names_in(tmp_path) == []


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite):
        PartialFile(tmp_path / "file", "a")


def test_a_killed_process_between_two_names_does_not_cost_the_finished_file(
    tmp_path: Path,
) -> None:
    """The part was linked under its final name, and not yet removed: they are one file."""
    finished = tmp_path / "atlas.txt"
    finished.write_bytes(b"the first")
    os.link(finished, tmp_path / ("atlas.txt" + partial_file.PART_SUFFIX))
    with PartialFile(tmp_path, "atlas.txt") as partial:
        partial.write(b"the second")
        assert partial.finish() == tmp_path / "atlas (2).txt"
    assert finished.read_bytes() == b"the first"
    assert names_in(tmp_path) == ["atlas (2).txt", "atlas.txt"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_the_same_content_is_taken_instead_of_a_second_copy_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(partial_file.os, "link", refuse)  # type: ignore[attr-defined]
    for content, expected in (
        (b"one", "a.txt"),
        (b"two", "a (2).txt"),
        (b"one", "a.txt"),
        (b"two", "a (2).txt"),
        (b"six", "a (3).txt"),
    ):
        with PartialFile(tmp_path, "a.txt") as partial:
            partial.write(content)
            assert partial.finish(reuse=True).name == expected
    assert names_in(tmp_path) == ["a (2).txt", "a (3).txt", "a.txt"]
    assert [(tmp_path / name).read_bytes() for name in names_in(tmp_path)] == [
        b"two",
        b"six",
        b"one",
    ]
