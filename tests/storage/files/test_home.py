"""The home folder: private, replaced whole, locked between processes."""

import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from veilmart.errors import CannotWrite, DiskFull, HomeInUse, Misuse, NotInitialised
from veilmart.storage.files.home import Home, default_home


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_folder_and_files_have_their_modes(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    home.write_secret("key", b"secret")
    assert (mode(home.path), mode(home.path / "key")) == (0o700, 0o600)
    assert home.read("key") == b"secret"
    assert names_in(home.path) == ["key"]


def test_loose_modes_are_repaired(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write_secret("key", b"secret")
    (tmp_path / "key").chmod(0o644)
    tmp_path.chmod(0o755)
    assert Home(tmp_path).read("key") == b"secret"
    assert (mode(tmp_path), mode(tmp_path / "key")) == (0o700, 0o600)


def test_what_is_missing_is_not_initialised(tmp_path: Path) -> None:
    with pytest.raises(NotInitialised):
        Home(tmp_path).read("key")
    with pytest.raises(NotInitialised):
        Home(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    assert not Home(tmp_path).has("key")


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "/etc/passwd", "a\0b"])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misuse):
        Home(tmp_path).write_secret(name, b"")


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, DiskFull), (errno.EIO, CannotWrite)])
def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    home = Home(tmp_path)
    home.write_secret("key", b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(error):
        home.write_secret("key", b"new")
    monkeypatch.undo()
    assert home.read("key") == b"old"
    assert names_in(tmp_path) == ["key"]


def hold(path: str, ready, done) -> None:
    with Home(path).lock("server"):
        ready.set()
        done.wait(30)


def test_the_lock_excludes_other_processes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(str(tmp_path), ready, done))
    other.start()
    assert ready.wait(30)
    with pytest.raises(HomeInUse), Home(tmp_path).lock("server", wait=False):
        pass
    done.set()
    with Home(tmp_path).lock("server"):
        pass
    other.join(30)
    assert other.exitcode == 0


def test_default_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VEILMART_HOME", str(tmp_path))
    assert default_home("broker") == tmp_path / "broker"
    monkeypatch.delenv("VEILMART_HOME")
    assert default_home("broker").parts[-2:] == ("veilmart", "broker")
