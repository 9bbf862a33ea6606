"""Rules about the source that no linter states."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.order import LONGEST, TESTS

SOURCE = Path(__file__).parents[1] / "src" / "veilmart"
NO_RULES = {"cli", "web", "migrations"}
"""Packages that present, and files that are never changed again."""
COMMENT_LINES_ABOVE = 2
ENDS = (".", "?", "!", "`", ")")


def rules_and_use_cases() -> Iterator[Path]:
    for package in ("protocol", "crypto", "broker", "merchant", "customer"):
        for path in sorted((SOURCE / package).rglob("*.py")):
            if not NO_RULES & set(path.parts):
                yield path


def unexplained(text: str) -> list[int]:
    """Lines that use `Any` with no comment "Any: ..." on them or just above."""
    lines = text.splitlines()
    used = {
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name) and node.id == "Any"
    }
    explained = {number for number, line in enumerate(lines, start=1) if "# Any: " in line}
    near = {number + down for number in explained for down in range(COMMENT_LINES_ABOVE + 1)}
    return sorted(used - near)


def test_no_rule_uses_any_without_saying_why() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{line}"
        for path in rules_and_use_cases()
        for line in unexplained(path.read_text())
    }
    assert found == set()


def test_an_any_is_explained_by_a_comment_beside_or_just_above_it() -> None:
    assert unexplained("def f(x: Any) -> None: ...") == [1]
    assert unexplained("# Any: msgspec decides.\ndef f(x: Any) -> None: ...") == []
    assert unexplained("# Any: for g.\ndef g(): ...\n\n\ndef f(x: Any) -> None: ...") == [5]


def torn(text: str) -> list[str]:
    """Docstrings whose first sentence goes on after the blank line."""
    defined = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    texts = (
        ast.get_docstring(node) for node in ast.walk(ast.parse(text)) if isinstance(node, defined)
    )
    heads = (text.partition("\n\n") for text in texts if text)
    return [head for head, blank, _ in heads if blank and not head.endswith(ENDS)]


def test_the_first_line_of_a_docstring_is_a_whole_sentence() -> None:
    found = {
        f"{path.relative_to(SOURCE)}: {head}"
        for path in sorted(SOURCE.rglob("*.py"))
        for head in torn(path.read_text())
    }
    assert found == set()


def test_a_torn_first_sentence_is_found() -> None:
    assert torn('"""Raises This,\n\nand That."""') == ["Raises This,"]
    assert torn('"""Fetch it.\n\nRaises That."""') == []


def test_the_files_that_are_run_first_are_there() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
