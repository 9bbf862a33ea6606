"""Every command of the tree, called in this process with words that fit nowhere."""

import io
import socket
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from cyclopts import App

from veilmart.cli import build_app
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


def generator() -> ModuleType:
    """docs/generate.py, which knows how to walk the tree."""
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TREE = [(path[1:], command) for path, command in generator().command_tree(build_app())]


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
