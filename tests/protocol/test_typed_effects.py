"""What mypy says of a rule: it infers each answer, and refuses wrong arguments and bare yields."""

import ast
from pathlib import Path

import pytest
from mypy import api

import veilmart
from veilmart.protocol.effects import Effect

SOURCE = Path(veilmart.__file__).parent
HEAD = """\
from dataclasses import dataclass
from sqlalchemy import Connection
from veilmart.protocol.effects import Effect, Rule, transact

@dataclass(frozen=True, slots=True)
class Ask(Effect[bytes]):
    question: str

def price(connection: Connection, product: bytes, *, twice: bool = False) -> int:
    return 0
"""
RULE = """
def rule() -> Rule[int]:  # type: ignore[no-redef]
    {line}
    return 0
"""
# A line of a rule, and the error codes that mypy gives it.
LINES = {
    "return (yield from transact(price, b'', twice=True))": [],
    "return len((yield from Ask('')))": [],
    "yield from transact(price, 'a name')": ["arg-type"],
    "yield from transact(price)": ["call-arg"],
    "yield from transact(price, b'', 1)": ["call-arg", "arg-type"],
    "yield from transact(price, b'', twice=2)": ["arg-type"],
    "yield from transact(price, (b'',))": ["arg-type"],
    "yield from transact(len, b'')": ["call-arg", "arg-type"],
    "found: str = yield from transact(price, b'')": ["assignment"],
    "text: str = yield from Ask('')": ["assignment"],
    "return (yield transact(price, b''))": ["return-value"],
    "yield from Ask(1)": ["arg-type"],
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[str]]:
    """mypy's error codes by line, from one run over a rule for each of `LINES`."""
    folder = tmp_path_factory.mktemp("typed")
    rule = folder / "rule.py"
    rule.write_text(HEAD + "".join(RULE.format(line=line) for line in LINES))
    config = SOURCE.parents[1] / "pyproject.toml"
    options = [f"--config-file={config}", f"--cache-dir={folder}", "--no-error-summary"]
    said, wrong, _status = api.run([*options, "--hide-error-context", "--no-pretty", str(rule)])
    assert not wrong
    found: dict[int, list[str]] = {}
    for message in said.splitlines():
        if ": error: " in message:
            place, _, code = message.rpartition("  [")
            found.setdefault(int(place.split(":")[1]), []).append(code.rstrip("]"))
    return found


@pytest.mark.parametrize("line", LINES)
def test_mypy_judges_what_a_rule_asks(errors: dict[int, list[str]], line: str) -> None:
    number = HEAD.count("\n") + RULE.count("\n") * list(LINES).index(line) + 3
    assert errors.get(number, []) == LINES[line]


def effect_names() -> set[str]:
    """The names of all effects that a role defines, and of the functions that make some."""
    import veilmart.broker.effects
    import veilmart.customer.effects
    import veilmart.merchant.effects  # noqa: F401  (its classes register as subclasses)

    names = {kind.__name__ for kind in Effect.__subclasses__()}
    assert {"Transact", "Forward", "AskBroker", "SealPiece"} <= names
    return names | {"transact", "examine"}


def test_no_rule_yields_an_effect_bare() -> None:
    """A bare `yield` hands back an answer without a type."""
    names = effect_names()
    bare = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Yield)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).rpartition(".")[2] in names
    ]
    assert bare == []
