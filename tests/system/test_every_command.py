"""Every command has --help and --json and a stable exit code, and is documented.

The command tree is walked, so that a new command is held to it from its first day.
"""

import io
import socket
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from cyclopts import App

from veilmart.cli import build_app
from veilmart.errors import by_code
from veilmart.protocol.address import Link

DOCS = Path(__file__).resolve().parents[2] / "docs"
LINK = str(Link("127.0.0.1", 1, bytes(32), bytes(32), None))
# What a required argument gets when nothing better is known of it: a word that fits nowhere.
ARGUMENTS = {
    "--broker": "http://127.0.0.1:1",
    "ADDRESS": LINK,
    "--price": "5.00",
    "--size": "1K",
    "--batch": "7",
}
WORD = "nothing-of-that-name"
EXIT_CODES = frozenset({0, 2, 3, 4, 5, 6, 7, 8, 130})


def generator() -> ModuleType:
    """docs/generate.py, which knows how to walk the tree."""
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TREE = [(path[1:], command) for path, command in generator().command_tree(build_app())]
every_command = pytest.mark.parametrize(
    ("path", "command"), TREE, ids=[" ".join(path) for path, _ in TREE]
)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there to answer a question."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def call(words: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    try:
        code = build_app()(words, result_action="return_value")
    except SystemExit as left:
        code = left.code
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return int(code or 0), out, err


def arguments_of(command: App) -> list[str]:
    words: list[str] = []
    for argument in command.assemble_argument_collection(parse_docstring=True):
        if not argument.required:
            continue
        name = argument.names[0] if argument.names else ""
        value = ARGUMENTS.get(name, WORD)
        words += [name, value] if name.startswith("--") else [value]
    return words


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
