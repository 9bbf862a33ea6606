"""The peer is made from the documents alone. A forked process would not notice an import."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OF_THE_TESTS = ("test_", "conftest", "running_market")
PEER = sorted(file for file in HERE.glob("*.py") if not file.name.startswith(OF_THE_TESTS))


def imported(text: str) -> Iterator[str]:
    """The first word of each import that is not of the peer itself."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not (node.level == 1 and node.module):
            yield "." * node.level + (node.module or "").partition(".")[0]


@pytest.mark.parametrize("file", PEER, ids=lambda file: file.stem)
def test_the_peer_imports_nothing_of_veilmart_or_its_tests(file: Path) -> None:
    found = set(imported(file.read_text()))
    assert not {name for name in found if name in ("veilmart", "tests") or name.startswith(".")}


def test_an_import_is_found_wherever_it_stands() -> None:
    text = "from .own import x\ndef f():\n    import veilmart.limits\nfrom ..support import y\n"
    assert set(imported(text)) == {"veilmart", "..support"}
