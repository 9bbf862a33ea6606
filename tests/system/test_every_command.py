"""Every command has --help and --json and a stable exit code, and is documented.

The command tree is walked, so that a new command is held to it from its first day.
"""

from pathlib import Path

import msgspec
import pytest
from cyclopts import App

from tests.support.called_commands import DOCS, TREE, arguments_of, call
from veilmart.errors import by_code

EXIT_CODES = frozenset({0, 2, 3, 4, 5, 6, 7, 8, 130})


every_command = pytest.mark.parametrize(
    ("path", "command"), TREE, ids=[" ".join(path) for path, _ in TREE]
)


@every_command
def test_help(path: tuple[str, ...], command: App, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = call([*path, "--help"], capfd)
    assert code == 0 and not err
    assert " ".join(path) in out
    told = str(command.help).replace("`", "")  # drawn as code, without its marks
    assert told.strip().splitlines()[0][:40] in " ".join(out.split())
    for option in ("--home", "--json"):
        assert option in out


@every_command
def test_documented(path: tuple[str, ...], command: App) -> None:
    assert f"### veilmart {' '.join(path)}\n" in (DOCS / "commands.md").read_text()


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("path", "command"),
    [case for case in TREE if case[0] != ("demo",)],  # test_demo.py runs that one
    ids=[" ".join(path) for path, _ in TREE if path != ("demo",)],
)
def test_json_and_exit_code(
    path: tuple[str, ...],
    command: App,
    tmp_path: Path,
    taken_port: int,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In an empty home, with nobody to reach or to ask: one JSON object, the same code twice."""
    monkeypatch.chdir(tmp_path)
    words = [*path, *arguments_of(command), "--json", "--home", str(tmp_path / "home")]
    if path[-1] in ("run", "web"):
        words += ["--port", str(taken_port)]
    seen = set()
    for _ in range(2):
        code, out, _ = call(words, capfd)
        said = msgspec.json.decode(out)
        assert isinstance(said, dict)
        assert code in EXIT_CODES
        if "error" in said:
            assert code == by_code()[said["error"]["code"]].exit_code
            assert said["error"]["summary"] and said["error"]["hint"]
        else:
            assert code == 0
        seen.add(code)
    if path != ("broker", "init"):  # which succeeds once
        assert len(seen) == 1


@every_command
def test_unknown_option_is_an_exit_code_and_a_sentence(
    path: tuple[str, ...],
    command: App,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`merchant add` takes it for the name of a file, which is not there either."""
    monkeypatch.setenv("VEILMART_HOME", str(tmp_path))
    code, out, err = call([*path, "--no-such-option"], capfd)
    assert code in (1, 2)
    assert (out + err).strip()
    assert not list(tmp_path.iterdir()), "nothing was set up on the way"
