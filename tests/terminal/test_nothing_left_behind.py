"""A command that is refused in a home that is not there does not make one."""

from pathlib import Path

import pytest
from cyclopts import App

from tests.support.called_commands import TREE, arguments_of, call

SETS_UP = {("broker", "init"), ("customer", "wallet", "create"), ("customer", "proxy")}
HOLDS = [case for case in TREE if case[0] not in SETS_UP and case[0][0] != "demo"]


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(("path", "command"), HOLDS, ids=[" ".join(path) for path, _ in HOLDS])
def test_a_mistyped_home_is_not_made(
    path: tuple[str, ...],
    command: App,
    tmp_path: Path,
    taken_port: int,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "typo" / "home"
    words = [*path, *arguments_of(command), "--json", "--home", str(home)]
    if path[-1] in ("run", "web"):
        words += ["--port", str(taken_port)]
    code, out, _ = call(words, capfd)
    assert not home.parent.exists(), out
    assert (code == 0) == ("error" not in out)


@pytest.mark.parametrize(
    "words",
    [
        ("broker", "init", "--database", "postgresql://x:y@127.0.0.1:9/none"),
        ("broker", "init", "--currency", "NOSUCH"),
        ("broker", "restore", "/dev/null"),
        ("merchant", "restore", "/dev/null"),
        ("customer", "restore", "/dev/null"),
        ("customer", "proxy", "socks5://nowhere:x"),
    ],
)
def test_a_refused_set_up_leaves_no_home(
    words: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "new" / "home"
    code, out, _ = call([*words, "--json", "--home", str(home)], capfd)
    assert code and "error" in out
    assert not home.parent.exists(), out


def test_a_broker_that_cannot_have_its_workers_is_not_set_up(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` sets up the usual home; several workers need PostgreSQL."""
    monkeypatch.setenv("VEILMART_HOME", str(tmp_path / "new"))
    code, out, _ = call(["broker", "run", "--workers", "2", "--port", "0", "--json"], capfd)
    assert code and "workers" in out
    assert not (tmp_path / "new").exists()


def test_a_home_that_was_there_stays(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.txt").write_text("kept")
    code, _, _ = call(
        ["broker", "init", "--currency", "NOSUCH", "--json", "--home", str(home)], capfd
    )
    assert code and (home / "mine.txt").exists()
