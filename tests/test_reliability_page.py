"""Every test that docs/reliability.md names exists under that name."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_FILES = re.compile(r"\b(tests/[\w/]+\.py)\b")


def functions_of(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    return {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_tests_that_the_page_names_are_there() -> None:
    named = _NAMED.findall(PAGE.read_text())
    assert len(named) > 40
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).is_file() or name not in functions_of(ROOT / file)
    ]
    assert missing == []


def test_the_files_that_the_page_names_are_there() -> None:
    files = set(_FILES.findall(PAGE.read_text()))
    assert {file for file in files if not (ROOT / file).is_file()} == set()
